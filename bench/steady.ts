/**
 * `npm run bench:steady`: a minute in a real Chromium, speech and idle by turns, with the compiled server at its default
 * preset: does the picture keep its pace, does memory stay. `--seconds 600` for a longer one.
 */
import { FRAME_MS, FRAME_RATE } from '../src/units.js';
import { EventLog, until, type TestServer } from '../test/support/server.js';
import { launchBrowser } from '../test/support/viewer-probe.js';
import { load1m, sleep, wallMs } from './lib/machine.js';
import { hasEnded, processFigures, say, sessionFigures } from './lib/main-session.js';
import { benchOptions, positive } from './lib/options.js';
import { mean, quantile, report, type Targets } from './lib/report.js';
import { STORIES } from './lib/sentences.js';
import { startShippedServer } from './lib/shipped-server.js';
import { Watcher, type SeenFrame } from './lib/watcher.js';

const SETTLE_MS = 5000;
const IDLE_MS = 3000;
const SAMPLE_MS = 1000;
const MB = 1024 * 1024;

const options = benchOptions({ seconds: { type: 'string', default: '60' } });
const runMs = positive('seconds', options.seconds) * 1000;
const targets: Targets = {
  fps: `>= ${FRAME_RATE - 0.1}`,
  fpsTooMany: '<= 0.1',
  freezeCount: '<= 0',
  longestGapMs: '<= 120',
  serverMb_max: '<= 350',
};

interface MemorySample {
  atS: number;
  totalMb: number;
  byProcess: Map<string, number>;
}

const server = await startShippedServer();
const figures: Record<string, number> = { load1m_begin: load1m() };
try {
  const browser = await launchBrowser();
  try {
    await run(server, await Watcher.open(browser, server.url));
  } finally {
    await browser.close();
  }
} finally {
  await server.stop();
}
figures['load1m_end'] = load1m();
process.exitCode = report('steady', figures, targets) ? 0 : 1;

async function run(server: TestServer, watcher: Watcher): Promise<void> {
  await watcher.start();
  await sleep(SETTLE_MS);
  const events = await EventLog.open(server);
  const before = { session: await sessionFigures(server), inbound: await watcher.inbound() };
  await watcher.forget();
  const endMs = wallMs() + runMs;
  const memory: MemorySample[] = [];
  const [said] = await Promise.all([talk(endMs, events), sampleMemory(endMs, memory)]);
  const frames = await watcher.frames();
  const after = { session: await sessionFigures(server), inbound: await watcher.inbound() };
  events.close();

  const { originWallMs } = after.session;
  if (originWallMs !== before.session.originWallMs) throw new Error('the stage was replaced on the way');
  pace(frames);
  const seen = frames.filter(({ n }) => n !== null);
  figures['madeToShownMs_p50'] = quantile(seen.map(({ n, shownMs }) => shownMs - originWallMs - n! * FRAME_MS), 0.5); // prettier-ignore
  figures['utterances'] = said;
  const grown = (kind: 'audio' | 'video', name: string): number =>
    (after.inbound[kind][name] ?? 0) - (before.inbound[kind][name] ?? 0);
  figures['freezeCount'] = grown('video', 'freezeCount');
  figures['framesDropped'] = grown('video', 'framesDropped');
  figures['packetsLost'] = grown('video', 'packetsLost') + grown('audio', 'packetsLost');
  figures['soundConcealedMs'] = grown('audio', 'concealedSamples') / 48;
  figures['skippedFrames'] = after.session.skippedFrames - before.session.skippedFrames;
  figures['processingMs_mean'] = after.session.processingMs.mean;
  figures['processingMs_p99'] = after.session.processingMs.p99;
  space(memory);
}

/** Pictures by their time code: how many a second, and how far apart. */
function pace(frames: readonly SeenFrame[]): void {
  const read = frames.flatMap((frame) => (frame.n === null ? [] : [{ ...frame, n: frame.n }]));
  const different = read.filter(({ n }, i) => n !== read[i - 1]?.n);
  const [first, last] = [different[0], different.at(-1)];
  if (!first || !last || different.length < 2) throw new Error('no pictures were seen');
  const gaps = different.slice(1).map((frame, i) => frame.shownMs - different[i]!.shownMs);
  figures['seconds'] = (last.shownMs - first.shownMs) / 1000;
  figures['fps'] = ((different.length - 1) * 1000) / (last.shownMs - first.shownMs);
  figures['fpsTooMany'] = figures['fps'] - FRAME_RATE;
  figures['longestGapMs'] = Math.max(...gaps);
  figures['gapMs_p99'] = quantile(gaps, 0.99);
  figures['numbersLeftOut'] = last.n - first.n - (different.length - 1);
  // Handed to the compositor without the page being told: each was seen, or covered by the next before it was seen.
  const presented = last.presented - first.presented;
  figures['fpsPresented'] = (presented * 1000) / (last.shownMs - first.shownMs);
  figures['notLookedAt'] = presented - (different.length - 1);
  figures['unreadable'] = frames.length - read.length;
}

/** Says one story, is silent for 3 s, and so on; returns how many were said to their end. */
async function talk(endMs: number, events: EventLog): Promise<number> {
  let said = 0;
  while (wallMs() < endMs) {
    const id = await say(server, STORIES[said % STORIES.length] ?? '');
    const ended = (): boolean => hasEnded(events, 0, id);
    await until(() => ended() || wallMs() >= endMs, 60_000);
    if (ended()) said += 1;
    await sleep(Math.max(0, Math.min(IDLE_MS, endMs - wallMs())));
  }
  return said;
}

async function sampleMemory(endMs: number, into: MemorySample[]): Promise<void> {
  const beginMs = wallMs();
  while (wallMs() < endMs) {
    const byProcess = new Map<string, number>();
    for (const { name, rssBytes } of await processFigures(server)) byProcess.set(name, rssBytes / MB);
    const totalMb = [...byProcess.values()].reduce((sum, mb) => sum + mb, 0);
    into.push({ atS: (wallMs() - beginMs) / 1000, totalMb, byProcess });
    await sleep(SAMPLE_MS);
  }
}

/** Resident memory of the server's processes, together and each. */
function space(samples: readonly MemorySample[]): void {
  const totals = samples.map(({ totalMb }) => totalMb);
  figures['serverMb_max'] = Math.max(...totals);
  figures['serverMb_mean'] = mean(totals);
  for (const name of new Set(samples.flatMap(({ byProcess }) => [...byProcess.keys()]))) {
    figures[`${name}Mb_max`] = Math.max(...samples.map(({ byProcess }) => byProcess.get(name) ?? 0));
  }
  // What is loaded and compiled on the way is done after the first half.
  const late = samples.slice(Math.floor(samples.length / 2));
  figures['growthMbPerMin_secondHalf'] = slope(late.map(({ atS, totalMb }) => [atS / 60, totalMb]));
}

/** Of the straight line through the points (least squares). */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mx = mean(points.map(([x]) => x));
  const my = mean(points.map(([, y]) => y));
  const xx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / xx;
}
