/**
 * `npm run bench:joins`: how soon viewers see something while many join at once. Viewers without a browser join evenly
 * over two seconds, and a real Chromium among them; one more has watched since before. `--viewers` sets how many.
 */
import type { Browser } from 'playwright-core';
import { FRAME_MS } from '../src/units.js';
import { RawViewer } from '../test/support/raw-viewer.js';
import { until } from '../test/support/server.js';
import { launchBrowser } from '../test/support/viewer-probe.js';
import { load1m, sleep } from './lib/machine.js';
import { sessionFigures } from './lib/main-session.js';
import { benchOptions, wholeNumber } from './lib/options.js';
import { quantile, report, type Targets } from './lib/report.js';
import { startShippedServer } from './lib/shipped-server.js';
import { Watcher } from './lib/watcher.js';

const JOIN_MS = 2000;
/** What the steady viewer got is summed over this long: a burst would wait on the way and add delay. */
const RATE_WINDOW_MS = 500;

const options = benchOptions({
  viewers: { type: 'string', default: '100' },
  preset: { type: 'string', default: 'low' },
});
const viewers = wholeNumber('viewers', options.viewers);
const figures: Record<string, number> = { load1m_begin: load1m(), viewers };
const targets: Targets = { firstPictureMs_p95: '<= 250', steadyPacketsLost: '<= 0', browserDelayAddedMs: '<= 40' };

process.env['DH_LIVE_LIMITS_MAX_VIEWERS_PER_SESSION'] = String(viewers + 10);
const server = await startShippedServer(['--debug-timecode', '--preset', options.preset]);
const whep = `${server.url}/whep/main`;
const browser = await launchBrowser();
const all: RawViewer[] = [];
try {
  const steady = await RawViewer.open(offerTo);
  steady.keepAlive();
  const calm = await delayOf(browser);
  const from = steady.video.length;
  const rates: number[] = [];
  let bytes = steady.videoBytes;
  const meter = setInterval(() => {
    rates.push(((steady.videoBytes - bytes) * 8) / RATE_WINDOW_MS);
    bytes = steady.videoBytes;
  }, RATE_WINDOW_MS);

  const begin = performance.now();
  const joining = Array.from({ length: viewers }, async (_, i) => {
    await sleep((i * JOIN_MS) / viewers);
    let postAt = 0;
    const viewer = await RawViewer.open((offer) => {
      postAt = performance.now();
      // As DTLS server: as client, OpenSSL repeats a lost first message after a second, browsers after 50 ms.
      return offerTo(offer.replaceAll('a=setup:actpass', 'a=setup:passive'));
    });
    all.push(viewer);
    const connectedAt = performance.now();
    await until(() => viewer.firstPictureAt !== null);
    const firstPictureAt = viewer.firstPictureAt!;
    return {
      connectMs: connectedAt - postAt,
      waitMs: Math.max(0, firstPictureAt - connectedAt),
      firstPictureMs: firstPictureAt - postAt,
    };
  });
  await sleep(JOIN_MS / 4);
  const crowded = await delayOf(browser);
  const joined = await Promise.all(joining);
  figures['joinedWithinMs'] = performance.now() - begin;
  clearInterval(meter);
  const { units, lost } = steady.video.since(from);
  for (const name of ['connectMs', 'waitMs', 'firstPictureMs'] as const) {
    const values = joined.map((one) => one[name]);
    for (const [label, q] of [['p50', 0.5], ['p95', 0.95], ['max', 1]] as const) figures[`${name}_${label}`] = quantile(values, q); // prettier-ignore
  }
  figures['steadyPacketsLost'] = lost;
  figures['steadyKeyFrames'] = units.filter(({ keyFrame }) => keyFrame).length;
  figures['steadyKbps_max'] = Math.max(...rates);
  figures['browserFirstPictureMs'] = crowded.firstPictureMs;
  figures['browserFirstPictureCalmMs'] = calm.firstPictureMs;
  figures['browserDelayMs'] = crowded.delayMs;
  figures['browserDelayCalmMs'] = calm.delayMs;
  figures['browserDelayAddedMs'] = crowded.delayMs - calm.delayMs;
} finally {
  for (const viewer of all) viewer.close();
  await browser.close();
  await server.stop();
}
figures['load1m_end'] = load1m();
// Threads of the viewers' library must not keep it.
process.exit(report('joins', figures, targets) ? 0 : 1);

async function offerTo(offer: string): Promise<string> {
  const headers = { 'Content-Type': 'application/sdp' };
  const response = await fetch(whep, { method: 'POST', headers, body: offer });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.text();
}

/** Joins with a page, and says how far behind it shows pictures once it has settled: from made to shown, median. */
async function delayOf(chromium: Browser): Promise<{ firstPictureMs: number; delayMs: number }> {
  const watcher = await Watcher.open(chromium, server.url);
  try {
    const { toldMs } = await watcher.firstPicture();
    await watcher.start();
    await watcher.forget();
    await sleep(3000);
    const { originWallMs } = await sessionFigures(server);
    const seen = (await watcher.frames()).flatMap(({ n, shownMs }) =>
      n === null ? [] : [shownMs - originWallMs - n * FRAME_MS],
    );
    return { firstPictureMs: toldMs, delayMs: quantile(seen, 0.5) };
  } finally {
    await watcher.close();
  }
}
