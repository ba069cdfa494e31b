/**
 * `npm run soak -- --for 30m`: the server as it ships, under everything that clients do, for as long as one likes. Ends
 * with the slope of the memory's floor and its 95 % interval for each process, what was counted before and after, the
 * errors, and a verdict; exit code 0 only when memory is steady, nothing countable grew and nothing went wrong.
 *
 * `--warm 3m` how long it runs before memory counts (a third of the time: voices and caches take some ten minutes to
 * fill), `--seed 7` for the same things in the same order, `--actors 3` at a time, `--chromium` one of the viewers is a
 * browser, `--plant leak|cache` with `--in stage|control` and `--rate 20` plants a leak of so many MB a minute, which must
 * be found. `--json`.
 */
import { packagePath } from '../../src/entry.js';
import { clockText, parseDuration } from '../../src/durations.js';
import { startServer, type TestServer } from '../../test/support/server.js';
import { launchBrowser, openPage } from '../../test/support/viewer-probe.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../../src/malloc-env.js';
import { load1m, sleep } from '../lib/machine.js';
import { benchOptions, positive, usage, wholeNumber } from '../lib/options.js';
import { familyOf, memoryOf } from '../lib/process-memory.js';
import { SeededRandom } from '../lib/random.js';
import { countLeast } from './counts.js';
import { SoakLoad } from './load.js';
import { Floors, judge, mbPerHour, type Counts, type Verdict } from './verdict.js';

const options = benchOptions({
  for: { type: 'string', default: '30m' },
  warm: { type: 'string' },
  seed: { type: 'string', default: '1' },
  actors: { type: 'string', default: '3' },
  chromium: { type: 'boolean', default: false },
  plant: { type: 'string' },
  in: { type: 'string', default: 'stage' },
  rate: { type: 'string', default: '20' },
});
/** What was closed needs a moment to be gone. */
const REST_MS = 1000;
const QUIET_MS = 10_000;
/** A connection that is kept alive goes after 72 s. */
const SETTLE_MS = 90_000;

const lengthMs = duration('for', options.for);
const warmMs = options.warm === undefined ? lengthMs / 3 : duration('warm', options.warm);
/** Some 30 turns in what counts. */
const turnMs = Math.max(5000, (lengthMs - warmMs) / 30 - 3 * REST_MS);
if (options.plant !== undefined && !['leak', 'cache'].includes(options.plant)) usage('--plant is leak or cache');
if (!['stage', 'control'].includes(options.in)) usage('--in is stage or control');
const mbPerMin = positive('rate', options.rate);
const actors = wholeNumber('actors', options.actors);

const server = await startServer({
  nodeArgs: HEAP_FLAGS,
  env: {
    DH_LIVE_LOG_LEVEL: 'info',
    DH_LIVE_STATS_INTERVAL_S: '0',
    // Each rest collects, and a machine that is busy with other things is no reason to replace a stage.
    DH_LIVE_MEMORY_GC_INTERVAL_S: '1',
    ...MALLOC_ENV,
    ...planted(),
  },
});
let verdict: Verdict;
try {
  verdict = await soak(server);
} finally {
  await server.stop();
}
if (options.json) console.log(JSON.stringify(verdict));
// Threads of the viewers' library must not keep it.
process.exit(verdict.verdict === 'steady' ? 0 : 1);

async function soak(server: TestServer): Promise<Verdict> {
  const loadAtStart = load1m();
  const floors = new Floors(turnMs + 4 * REST_MS);
  const load = new SoakLoad(server, new SeededRandom(Number(options.seed)));
  const browser = options.chromium ? await launchBrowser() : null;
  try {
    if (browser) await openPage(browser, `${server.url}/`);
    say(
      `${options.for}, of which ${clockText(warmMs)} to warm up; seed ${options.seed}, load ${loadAtStart.toFixed(1)}`,
    );
    await turns(load, warmMs, () => undefined);
    const before = await countLeast(server, QUIET_MS);
    const begin = performance.now();
    await turns(load, lengthMs - warmMs, (processes) => floors.add(performance.now() - begin, processes));
    const after = await countLeast(server, SETTLE_MS, before);
    const found = judge(floors.slopes(), before, after, [...load.errors, ...serverErrors(server)]);
    print(found, before, after, load.done);
    say(`load ${load1m().toFixed(1)} at the end`);
    return found;
  } finally {
    await browser?.close();
  }
}

/**
 * Turns of work and rest for `ms`. At the end of each turn only `main` is left, silent and unwatched, and garbage has
 * been collected: what is resident then can be compared from turn to turn, whatever the sessions were before.
 */
async function turns(
  load: SoakLoad,
  ms: number,
  take: (processes: { name: string; rssBytes: number }[]) => void,
): Promise<void> {
  const end = performance.now() + ms;
  let toldAt = performance.now();
  while (performance.now() < end) {
    const turnEnd = Math.min(end, performance.now() + turnMs);
    const over = (): boolean => performance.now() >= turnEnd;
    await Promise.all(Array.from({ length: actors }, () => load.run(over)));
    await load.settle();
    await sleep(REST_MS);
    await server.post('/api/v1/memory/trim', { level: 'hard' });
    for (let i = 0; i < 3; i++) {
      await sleep(REST_MS / 2);
      take(memoryOf(familyOf(server.pid)));
    }
    if (performance.now() - toldAt < 60_000) continue;
    toldAt = performance.now();
    const each = memoryOf(familyOf(server.pid)).map(({ name, rssBytes }) => `${name} ${Math.round(rssBytes / 1e6)}`);
    say(`${clockText(end - performance.now())} to go, MB at rest: ${each.join(', ')}; errors ${load.errors.length}`);
  }
}

/** What the log and the stages say went wrong. */
function serverErrors(server: TestServer): string[] {
  return server.log.flatMap((line) => {
    const bad = Number(line['level']) >= 50 || line['msg'] === 'stage replaced';
    return bad ? [`log: ${JSON.stringify(line).slice(0, 300)}`] : [];
  });
}

function print(found: Verdict, before: Counts, after: Counts, done: Record<string, number>): void {
  say(`done: ${Object.entries(done).map(([name, count]) => `${name} ${count}`).join(', ')}`); // prettier-ignore
  for (const [name, slope] of Object.entries(found.slopes)) {
    console.log(`  ${name.padEnd(10)} ${slope === null ? 'too short' : `${mbPerHour(slope)}, ${slope.blocks} floors`}`);
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    console.log(`  ${name.padEnd(26)} ${before[name] ?? 0} → ${after[name] ?? 0}`);
  }
  for (const error of found.errors.slice(0, 20)) console.log(`  error: ${error}`);
  console.log(`${found.verdict}: ${found.message}`);
}

function planted(): Record<string, string> {
  if (options.plant === undefined) return {};
  const nodeOptions = [process.env['NODE_OPTIONS'] ?? '', `--import ${packagePath('bench/lib/plant.mjs')}`];
  return { NODE_OPTIONS: nodeOptions.join(' ').trim(), PLANT: options.plant, PLANT_PROCESS: options.in, PLANT_MB_PER_MIN: String(mbPerMin) }; // prettier-ignore
}

function duration(name: string, text: string): number {
  return parseDuration(text, 's') || usage(`--${name} is a time such as 90s, 30m or 2h, not "${text}"`);
}

function say(text: string): void {
  console.log(text);
}
