/**
 * `npm run bench:latency`: how long things take from end to end, with the compiled server at its default preset and the
 * viewer page in a real Chromium. `--verbose` prints each measurement.
 */
import type { Browser } from 'playwright-core';
import { FRAME_MS } from '../src/units.js';
import { until, type TestServer } from '../test/support/server.js';
import { launchBrowser } from '../test/support/viewer-probe.js';
import { liveToHeard, soundAgainstPicture } from './lib/beep-runs.js';
import { load1m, sleep } from './lib/machine.js';
import { say, sessionFigures } from './lib/main-session.js';
import { benchOptions } from './lib/options.js';
import { quantile, report, type Targets } from './lib/report.js';
import { STORIES } from './lib/sentences.js';
import { startShippedServer } from './lib/shipped-server.js';
import { Watcher } from './lib/watcher.js';
import { interruptToSilence, sayToSound } from './lib/wire-runs.js';
import { WireViewer } from './lib/wire-viewer.js';

const PAGES = 10;
const BEEPS = 20;
const INTERRUPTIONS = 12;
/** The browser needs this long to bring sound and picture together. */
const SETTLE_MS = 3000;

const options = benchOptions({ verbose: { type: 'boolean' } });
const figures: Record<string, number> = { load1m_begin: load1m() };
const targets: Targets = {
  firstPictureMs_p50: '<= 400',
  madeToShownMs_p50: '<= 80',
  soundOffsetMs_worst: '<= 40',
  soundOffsetBeeps: `>= ${BEEPS - 2}`,
  pcmToHeardMs_p50: '<= 250',
  pcmToHeardBeeps: `>= ${BEEPS - 2}`,
  sayToSoundMs_p50: '<= 400',
  interruptToSilenceMs_p50: '<= 80',
};

const server = await startShippedServer();
try {
  await onTheWire(server);
  const browser = await launchBrowser();
  try {
    await firstPictures(server, browser);
    await inThePage(server, browser);
  } finally {
    await browser.close();
  }
} finally {
  await server.stop();
}
figures['load1m_end'] = load1m();
// Threads of the viewers' library must not keep it.
process.exit(report('latency', figures, targets) ? 0 : 1);

async function onTheWire({ url }: TestServer): Promise<void> {
  const wire = await WireViewer.open(`${url}/whep/main`);
  try {
    await until(() => wire.packets.length > 25 && wire.video.length > 25);
    note('sayToSoundMs', await sayToSound(server, wire));
    note('interruptToSilenceMs', await interruptToSilence(server, wire, INTERRUPTIONS));
  } finally {
    await wire.close();
  }
}

async function firstPictures({ url }: TestServer, browser: Browser): Promise<void> {
  const told: number[] = [];
  const shown: number[] = [];
  for (let i = 0; i < PAGES; i++) {
    const watcher = await Watcher.open(browser, url);
    const { toldMs, shownMs } = await watcher.firstPicture();
    told.push(toldMs);
    shown.push(shownMs);
    await watcher.close();
    await sleep(200);
  }
  note('firstPictureMs', told);
  note('firstPictureOnScreenMs', shown);
}

async function inThePage(server: TestServer, browser: Browser): Promise<void> {
  const watcher = await Watcher.open(browser, server.url);
  try {
    await watcher.start();
    await sleep(SETTLE_MS);
    figures['pageClockAheadMs'] = await watcher.clockSkewMs();

    await watcher.forget();
    await say(server, STORIES.slice(0, 2).join('. '));
    await sleep(12_000);
    const { originWallMs } = await sessionFigures(server);
    const seen = (await watcher.frames()).flatMap((frame) => (frame.n === null ? [] : [{ ...frame, n: frame.n }]));
    const late = (pick: (frame: (typeof seen)[number]) => number): number[] =>
      seen.map((frame) => pick(frame) - originWallMs - frame.n * FRAME_MS);
    note(
      'madeToShownMs',
      late(({ shownMs }) => shownMs),
    );
    note(
      'madeToToldMs',
      late(({ callMs }) => callMs),
    );
    note(
      'madeToReceivedMs',
      late(({ receivedMs }) => receivedMs ?? Number.NaN),
    );
    note('decodeMs', seen.map(({ decodeMs }) => decodeMs)); // prettier-ignore

    const { offsets, browserOffsets } = await soundAgainstPicture(server, watcher, BEEPS);
    note('soundOffsetMs', offsets);
    figures['soundOffsetMs_worst'] = worst(offsets);
    figures['soundOffsetBeeps'] = offsets.length;
    note('browserSoundOffsetMs', browserOffsets);
    const heard = await liveToHeard(server, watcher, BEEPS);
    note('pcmToHeardMs', heard);
    figures['pcmToHeardBeeps'] = heard.length;
    const { audio, video } = await watcher.inbound();
    for (const [kind, stats] of Object.entries({ audio, video })) {
      const { jitterBufferDelay = 0, jitterBufferEmittedCount = 0, packetsLost = 0 } = stats;
      figures[`${kind}JitterBufferMs`] = (jitterBufferDelay / jitterBufferEmittedCount) * 1000;
      figures[`${kind}PacketsLost`] = packetsLost;
    }
  } finally {
    await watcher.close();
  }
}

function note(name: string, measured: readonly number[]): void {
  if (options['verbose']) console.log(name, measured.map((value) => Math.round(value)).join(' '));
  figures[`${name}_p50`] = quantile(measured, 0.5);
  figures[`${name}_max`] = Math.max(...measured);
}

/** The largest distance from 0; NaN of nothing. */
function worst(measured: readonly number[]): number {
  return quantile(measured.map(Math.abs), 1);
}
