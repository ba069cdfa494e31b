/**
 * `npm run bench:memory`: resident memory of all processes of the shipped server, phase by phase, with viewers on the
 * wire. First one session of 1280 × 720, then many of one size.
 *
 * `--sessions 10 --size 512x512` what the second part opens, `--further 2` sessions on top of them, `--seconds 30` how
 * long the first part speaks now and then; `--only one` or `--only many` leaves the other part out.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSize, SIZE_RULE } from '../src/render/picture-settings.js';
import { until, type TestServer } from '../test/support/server.js';
import { load1m, sleep, wallMs } from './lib/machine.js';
import { benchOptions, positive, usage, wholeNumber } from './lib/options.js';
import { familyOf, memoryOf, type ProcessMemory } from './lib/process-memory.js';
import { report, type Targets } from './lib/report.js';
import { ANSWERS } from './lib/sentences.js';
import { startShippedServer } from './lib/shipped-server.js';
import { WireViewer } from './lib/wire-viewer.js';

const options = benchOptions({
  sessions: { type: 'string', default: '10' },
  further: { type: 'string', default: '2' },
  size: { type: 'string', default: '512x512' },
  seconds: { type: 'string', default: '30' },
  only: { type: 'string' },
});
const phaseMs = 1000 * positive('seconds', options.seconds);
const count = wholeNumber('sessions', options.sessions);
const further = wholeNumber('further', options.further);
const { width, height } = parseSize(options.size) ?? usage(`--size: ${SIZE_RULE}`);
if (!['one', 'many', undefined].includes(options.only)) usage('--only is one or many');
interface SessionAnswer {
  state: string;
  waiting: number;
  utterance: unknown;
}

const SAMPLE_MS = 500;
const MB = 1e6;

const figures: Record<string, number> = { load1m_begin: load1m() };
const targets: Targets = {};
if (options.only !== 'many') await oneSession();
if (options.only !== 'one') await manySessions();
figures['load1m_end'] = load1m();
// Threads of the viewers' library must not keep it.
process.exit(report('memory', figures, targets) ? 0 : 1);

async function oneSession(): Promise<void> {
  targets['one720pMb_max'] = '<= 300';
  await withServer([], async (server) => {
    await phase('started', server, sleep(1000));
    await phase('voices', server, speakOnce(server, 'main', 0));
    const viewer = await watch(server, 'main');
    const endMs = wallMs() + phaseMs;
    const talk = async (): Promise<void> => {
      for (let turn = 1; wallMs() < endMs; turn++) {
        await speakOnce(server, 'main', turn);
        await sleep(1500);
      }
    };
    const most = await phase('speaking', server, talk());
    const still = await phase('silent again', server, sleep(5000));
    await viewer.close();
    const gone = await phase('viewer gone', server, sleep(2000));
    figures['one720pMb_max'] = total(most, 'rssBytes');
    figures['one720pMb_pss'] = total(most, 'pssBytes');
    for (const name of new Set(most.map((process) => process.name))) {
      figures[`one720p_${name}Mb_max`] = total(most.filter((process) => process.name === name), 'rssBytes'); // prettier-ignore
    }
    figures['one720pSilentMb_max'] = total(still, 'rssBytes');
    figures['one720pUnwatchedMb_max'] = total(gone, 'rssBytes');
  });
}

async function manySessions(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dh-live-bench-'));
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ session: { width, height }, limits: { maxSessions: count + further } }));
  const key = `${count}x${options.size}`;
  if (key === '10x512x512') targets[`${key}Mb_max`] = '<= 700';
  targets['furtherSessionMb'] = '<= 25';
  try {
    await withServer(['--config', config], async (server) => {
      await speakOnce(server, 'main', 0);
      const ids = ['main'];
      const viewers = [await watch(server, 'main')];
      const add = async (): Promise<void> => {
        const id = `s${ids.length + 1}`;
        await server.post('/api/v1/sessions', { id });
        await until(async () => ((await server.get(`/api/v1/sessions/${id}`)) as SessionAnswer).state === 'idle');
        ids.push(id);
        viewers.push(await watch(server, id));
      };
      const everyone = async (): Promise<void> => {
        // Three at a time: they share one voice.
        for (let at = 0; at < ids.length; at += 3) {
          await Promise.all(ids.slice(at, at + 3).map((id, i) => speakOnce(server, id, at + i)));
        }
      };
      await phase(`1 of ${options.size}`, server, everyone());
      while (ids.length < count) await add();
      const ten = await phase(`${count} of ${options.size}`, server, everyone());
      for (let i = 0; i < further; i++) await add();
      const more = await phase(`${count + further} of ${options.size}`, server, everyone());
      for (const viewer of viewers) await viewer.close();
      await phase('viewers gone', server, sleep(2000));
      for (const id of ids.slice(1)) await fetch(`${server.url}/api/v1/sessions/${id}`, { method: 'DELETE' });
      await phase('sessions closed', server, sleep(2000));
      figures[`${key}Mb_max`] = total(ten, 'rssBytes');
      figures[`${key}Mb_pss`] = total(ten, 'pssBytes');
      figures['furtherSessionMb'] = (total(more, 'rssBytes') - total(ten, 'rssBytes')) / further;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function withServer(args: string[], run: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startShippedServer(args);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

/** Samples while `work` goes on, prints the sample with the most resident memory and returns it. */
async function phase(name: string, server: TestServer, work: Promise<unknown>): Promise<ProcessMemory[]> {
  let most: ProcessMemory[] = [];
  let over = false;
  void work.finally(() => (over = true)).catch(() => undefined);
  do {
    const sample = memoryOf(familyOf(server.pid));
    if (total(sample, 'rssBytes') > total(most, 'rssBytes')) most = sample;
    await sleep(SAMPLE_MS);
  } while (!over);
  await work;
  const each = most.map((one) => `${one.name} ${mb(one.rssBytes)} (${mb(one.pssBytes)}, own ${mb(one.ownBytes)})`);
  console.log(
    `${name.padEnd(20)} RSS ${mb(total(most, 'rssBytes') * MB)} MB, PSS ${mb(total(most, 'pssBytes') * MB)} MB: ${each.join(', ')}`,
  );
  return most;
}

/** In MB. */
function total(processes: readonly ProcessMemory[], what: 'rssBytes' | 'pssBytes'): number {
  return processes.reduce((sum, process) => sum + process[what], 0) / MB;
}

function mb(bytes: number): string {
  return (bytes / MB).toFixed(0);
}

async function watch(server: TestServer, session: string): Promise<WireViewer> {
  const viewer = await WireViewer.open(`${server.url}/whep/${session}`);
  await until(() => viewer.video.length > 25, 20_000);
  return viewer;
}

/** Says one sentence and waits until it has been said. */
async function speakOnce(server: TestServer, session: string, turn: number): Promise<void> {
  const path = `/api/v1/sessions/${session}`;
  await server.post(`${path}/say`, { text: ANSWERS[turn % ANSWERS.length] });
  await until(async () => {
    const { state, waiting, utterance } = (await server.get(path)) as SessionAnswer;
    return state === 'idle' && waiting === 0 && utterance === null;
  }, 60_000);
}
