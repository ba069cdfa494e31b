/**
 * `npm run bench:guard`: a cache that grows by 64 MB a second is planted into the stage of the compiled server while a
 * session speaks to a viewer on the wire. Does memory stay within the stage's limit, how soon does the ladder act, does
 * the picture keep its pace. `--preset low` for a busy machine, `--seconds 60`, `--rate 64` MB a second, `--limit 1500`
 * MB for the whole server.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagePath } from '../src/entry.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../src/malloc-env.js';
import { startServer, until, type TestServer } from '../test/support/server.js';
import { load1m, sleep, wallMs } from './lib/machine.js';
import { interrupt, say, sessionFigures } from './lib/main-session.js';
import { benchOptions, positive } from './lib/options.js';
import { mean, quantile, report, type Targets } from './lib/report.js';
import { STORIES } from './lib/sentences.js';
import { WireViewer } from './lib/wire-viewer.js';

const SETTLE_MS = 5000;
const VIDEO_CLOCK = 90_000;

const options = benchOptions({
  preset: { type: 'string', default: 'default' },
  seconds: { type: 'string', default: '60' },
  rate: { type: 'string', default: '64' },
  limit: { type: 'string', default: '1500' },
});
const runMs = 1000 * positive('seconds', options.seconds);
const mbPerS = positive('rate', options.rate);
positive('limit', options.limit);
const targets: Targets = {
  peakToLimit: '<= 1.05',
  ladderMs_max: '<= 500',
  fps: '>= 24.5',
  trimMs_max: '<= 20',
  stageRestarts: '<= 0',
};

interface Plant {
  peakBytes: number;
  plantedBytes: number;
  trims: number;
  /** From crossing the soft level to the first trim, each time. */
  ladderMs: number[];
}
interface MemoryLine {
  process: string;
  what: string;
  step: string | null;
  tookMs: number;
  detail: string;
}
interface MemoryAnswer {
  processes: { name: string; limitBytes: number; peakBytes: number; collections: number }[];
}

const figures: Record<string, number> = { load1m_begin: load1m() };
const folder = mkdtempSync(join(tmpdir(), 'dh-live-plant-'));
const start = join(folder, 'start.json');
const planted = join(folder, 'report.json');
try {
  const server = await startServer({
    nodeArgs: HEAP_FLAGS,
    args: ['--preset', options.preset],
    env: {
      ...MALLOC_ENV,
      DH_LIVE_LOG_LEVEL: 'info',
      DH_LIVE_MEMORY_MAX_MEMORY_MB: options.limit,
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${packagePath('bench/lib/plant-cache.mjs')}`.trim(),
      PLANT_CACHE_START: start,
      PLANT_CACHE_REPORT: planted,
    },
  });
  try {
    await run(server);
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
figures['load1m_end'] = load1m();
// Threads of the viewer's library must not keep it.
process.exit(report('guard', figures, targets) ? 0 : 1);

async function run(server: TestServer): Promise<void> {
  const viewer = await WireViewer.open(`${server.url}/whep/main`);
  await say(server, STORIES[0] ?? '');
  await until(() => viewer.video.length > 0);
  await sleep(SETTLE_MS);
  const { limitBytes } = await stage(server);
  const skippedBefore = (await sessionFigures(server)).skippedFrames;
  const from = viewer.video.length;
  const beginMs = wallMs();
  writeFileSync(start, JSON.stringify({ mbPerS, softBytes: 0.8 * limitBytes }));
  for (let said = 1; wallMs() - beginMs < runMs; said++) {
    const { waiting } = (await server.get('/api/v1/sessions/main')) as { waiting: number };
    if (waiting === 0) await say(server, STORIES[said % STORIES.length]!);
    await sleep(500);
  }
  const seconds = (wallMs() - beginMs) / 1000;
  const { units, lost } = viewer.video.since(from);
  const { skippedFrames } = await sessionFigures(server);
  await sleep(1500); // the plant writes once a second
  const { peakBytes, collections } = await stage(server);
  const plant = JSON.parse(readFileSync(planted, 'utf8')) as Plant;
  await interrupt(server);
  await viewer.close();

  const lines = (server.log as unknown as ({ msg: string } & MemoryLine)[]).filter(
    ({ msg, process: name }) => msg === 'memory' && name === 'stage-0',
  );
  const trims = lines.filter(({ what, step }) => what === 'step' && step === 'trim');
  const trimMs = trims.map(({ tookMs }) => tookMs);
  const gcMs = trims.flatMap(({ detail }) => Number(/garbage in ([\d.]+) ms/.exec(detail)?.[1] ?? Number.NaN));
  figures['limitMb'] = limitBytes / 1e6;
  figures['peakToLimit'] = Math.max(plant.peakBytes, peakBytes) / limitBytes;
  figures['plantedMbPerS'] = plant.plantedBytes / 1e6 / seconds;
  figures['ladderMs_max'] = Math.max(...plant.ladderMs);
  figures['ladderMs_p50'] = quantile(plant.ladderMs, 0.5);
  figures['trims'] = plant.trims;
  figures['trimMs_mean'] = mean(trimMs);
  figures['trimMs_max'] = Math.max(...trimMs);
  figures['collections'] = collections;
  figures['collectMs_max'] = Math.max(0, ...gcMs.filter(Number.isFinite));
  const span = (units.at(-1)!.timestamp - units[0]!.timestamp) / VIDEO_CLOCK;
  figures['fps'] = (units.length - 1) / span;
  figures['seconds'] = span;
  figures['packetsLost'] = lost;
  figures['skippedFrames'] = skippedFrames - skippedBefore;
  const { stages } = (await server.get('/api/v1/stats')) as { stages: { restarts: number }[] };
  figures['stageRestarts'] = stages[0]?.restarts ?? Number.NaN;
  for (const step of ['lower-idle-quality', 'refuse', 'end-heaviest', 'restart']) {
    const { length } = lines.filter((line) => line.what === 'step' && line.step === step);
    if (length > 0) figures[`steps.${step}`] = length;
  }
}

async function stage(server: TestServer): Promise<MemoryAnswer['processes'][number]> {
  const { processes } = (await server.get('/api/v1/memory')) as MemoryAnswer;
  const found = processes.find(({ name }) => name === 'stage-0');
  if (!found) throw new Error('the stage has no watchdog');
  return found;
}
