import { chromium, type Browser, type Page } from 'playwright-core';
import { packagePath } from '../../src/entry.js';
import { readTimeCode } from '../../src/frames/time-code.js';

/** One picture that the browser showed. Times are ms since 1970. */
export interface ShownFrame {
  /** Number in the time code; null when there is none or it could not be read. */
  n: number | null;
  atMs: number;
  /** Share of dark pixels in the middle of the mouth, 0…1: how far it is open. */
  dark: number;
}

/** Loudness of 10 ms of sound, as the page got it. */
export interface HeardSound {
  atMs: number;
  rms: number;
}

const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
  '--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required ' +
  '--use-fake-device-for-media-stream --use-fake-ui-for-media-stream';

/** The browser of the tests: CHROMIUM, or Debian's. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: FLAGS.split(' ') });
}

/** Opens a page whose CSP does not hinder the probe. Errors of the page are collected in `errors`. */
export async function openPage(browser: Browser, url: string, errors: string[] = []): Promise<Page> {
  const context = await browser.newContext({ bypassCSP: true, viewport: { width: 1280, height: 720 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  return page;
}

/** Where the mouth of the built-in avatar is, as parts of a 16:9 picture. */
const MOUTH = { x: 0.485, y: 0.487, width: 0.03, height: 0.045 };

/**
 * Watches the page's video element from now on: what picture is shown when, how open its mouth is, and how loud the
 * sound is.
 */
export async function installProbe(page: Page): Promise<void> {
  // Compiled functions may call a helper of the compiler that the page does not have.
  await page.addScriptTag({
    content: `globalThis.__name ??= (f) => f; globalThis.readTimeCode = ${readTimeCode.toString()};`,
  });
  await page.addScriptTag({ path: packagePath('test/support/probe-page.js') });
  await page.waitForFunction('probeReady()');
  await page.evaluate(`startProbe(${JSON.stringify(MOUTH)})`);
}

/** What was seen and heard since `installProbe`, or since the last call with `clear`. */
export async function readProbe(page: Page, clear = false): Promise<{ frames: ShownFrame[]; sound: HeardSound[] }> {
  return page.evaluate((forget) => {
    const { probe } = globalThis as unknown as { probe: { frames: ShownFrame[]; sound: HeardSound[] } };
    const copy = { frames: [...probe.frames], sound: [...probe.sound] };
    if (forget) probe.frames.length = probe.sound.length = 0;
    return copy;
  }, clear);
}

/** Correlation of two lists of equal length (Pearson). */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i]! - ma;
    const y = b[i]! - mb;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}
