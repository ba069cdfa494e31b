/**
 * `npm run bench:contract`: the memory that the server says it will use against what is measured, for one session with a
 * viewer and for `--sessions 4` of them, at the sizes of `--presets low,default`.
 */
import { until, type TestServer } from '../test/support/server.js';
import { load1m, sleep } from './lib/machine.js';
import { benchOptions, wholeNumber } from './lib/options.js';
import { report, type Targets } from './lib/report.js';
import { ANSWERS } from './lib/sentences.js';
import { startShippedServer } from './lib/shipped-server.js';
import { WireViewer } from './lib/wire-viewer.js';

interface Report {
  measurement: object | null;
  contract: { expectedMb: number; furtherSessionMb: number };
}
interface SessionState {
  state: string;
  waiting: number;
  utterance: object | null;
}
interface Stats {
  processes: { name: string; rssBytes: number }[];
}

interface Measured {
  totalMb: number;
  byProcess: Record<string, number>;
}

const values = benchOptions({
  presets: { type: 'string', default: 'low,default' },
  sessions: { type: 'string', default: '4' },
});
const sessions = wholeNumber('sessions', values.sessions);
const figures: Record<string, number> = { load1m_begin: load1m() };
const targets: Targets = {};
for (const preset of values.presets.split(',')) await compare(preset, sessions);
figures['load1m_end'] = load1m();
// Threads of the viewers' library must not keep it.
process.exit(report('contract', figures, targets) ? 0 : 1);

async function compare(preset: string, count: number): Promise<void> {
  const server = await startShippedServer(['--preset', preset]);
  try {
    // The self-measurement of the first start is a process of its own, and soon over.
    await until(async () => ((await server.get('/api/v1/report')) as Report).measurement, 60_000);
    const { contract } = (await server.get('/api/v1/report')) as Report;
    const viewers = [await watch(server, 'main')];
    await speak(server, 'main', 0);
    const one = await measure(server);
    line(preset, 1, contract.expectedMb, one);
    for (let i = 2; i <= count; i++) {
      await server.post('/api/v1/sessions', { id: `s${i}` });
      await until(async () => ((await server.get(`/api/v1/sessions/s${i}`)) as SessionState).state === 'idle', 60_000);
      viewers.push(await watch(server, `s${i}`));
      await speak(server, `s${i}`, i);
    }
    const all = await measure(server);
    const { memoryMb } = (await server.get(`/api/v1/plan?sessions=${count}`)) as { memoryMb: number };
    line(preset, count, memoryMb, all);
    if (count > 1) figures[`${preset}_furtherSessionMb_measured`] = (all.totalMb - one.totalMb) / (count - 1);
    figures[`${preset}_furtherSessionMb_contract`] = contract.furtherSessionMb;
    for (const [name, mb] of Object.entries(one.byProcess)) figures[`${preset}_1_${name}Mb`] = mb;
    for (const viewer of viewers) await viewer.close();
  } finally {
    await server.stop();
  }
}

function line(preset: string, count: number, expectedMb: number, { totalMb }: Measured): void {
  const key = `${preset}_${count}`;
  figures[`${key}_expectedMb`] = expectedMb;
  figures[`${key}_measuredMb`] = totalMb;
  figures[`${key}_offPercent`] = Math.abs(100 * (expectedMb / totalMb - 1));
  targets[`${key}_offPercent`] = '<= 15';
}

/** The largest of ten seconds, without the processes that come and go. */
async function measure(server: TestServer): Promise<Measured> {
  let most: Measured = { totalMb: 0, byProcess: {} };
  for (let second = 0; second < 10; second++) {
    const { processes } = (await server.get('/api/v1/stats')) as Stats;
    const byProcess: Record<string, number> = {};
    for (const { name, rssBytes } of processes) {
      if (name === 'control' || name.startsWith('stage-')) byProcess[name] = rssBytes / 1e6;
    }
    const totalMb = Object.values(byProcess).reduce((sum, mb) => sum + mb, 0);
    if (totalMb > most.totalMb) most = { totalMb, byProcess };
    await sleep(1000);
  }
  return most;
}

async function watch(server: TestServer, session: string): Promise<WireViewer> {
  const viewer = await WireViewer.open(`${server.url}/whep/${session}`);
  await until(() => viewer.video.length > 25, 20_000);
  return viewer;
}

async function speak(server: TestServer, session: string, turn: number): Promise<void> {
  await server.post(`/api/v1/sessions/${session}/say`, { text: ANSWERS[turn % ANSWERS.length] });
  await until(async () => {
    const { state, waiting, utterance } = (await server.get(`/api/v1/sessions/${session}`)) as SessionState;
    return state === 'idle' && waiting === 0 && utterance === null;
  }, 60_000);
}
