/** A Chromium page that watches the server as a person would, with a clock in its hand. */
import type { Browser, Page } from 'playwright-core';
import { packagePath } from '../../src/entry.js';
import { readTimeCode } from '../../src/frames/time-code.js';
import { until } from '../../test/support/server.js';

/** One picture on the page. Times are ms since 1970. */
export interface SeenFrame {
  /** Its number; null when the time code could not be read or says something else than the RTP timestamp. */
  n: number | null;
  /** When it is expected on the screen. */
  shownMs: number;
  /** When the page was told of it. */
  callMs: number;
  /** When its last packet came in, as the browser tells. */
  receivedMs: number | null;
  /** From the packets to the decoded picture. */
  decodeMs: number;
  /** Pictures presented so far, those among them that the page was not told of. */
  presented: number;
}

/** `inbound-rtp` of `getStats`, by kind. */
export type Inbound = Record<'audio' | 'video', Record<string, number>>;

interface Noted {
  postMs: number;
  firstCallMs: number;
  firstShownMs: number;
  frames: SeenFrame[];
  blocks: number;
  beepsMs: number[];
}

/** The viewer page `/` in a context of its own. */
export class Watcher {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Opens the page and waits for its first picture, at most 20 s. */
  static async open(browser: Browser, url: string): Promise<Watcher> {
    const context = await browser.newContext({ bypassCSP: true, viewport: { width: 1280, height: 720 } });
    const page = await context.newPage();
    // Compiled functions may call a helper of the compiler that the page does not have.
    const reader = `globalThis.__name ??= (f) => f; globalThis.readTimeCode = ${readTimeCode.toString()};`;
    await page.addInitScript({ content: reader });
    await page.addInitScript({ path: packagePath('bench/lib/watcher-page.js') });
    await page.goto(url);
    await page.waitForFunction('watcher.firstCallMs > 0', undefined, { timeout: 20_000 });
    return new Watcher(page);
  }

  /** From the POST of the offer to the first picture: told to the page, and expected on the screen. */
  async firstPicture(): Promise<{ toldMs: number; shownMs: number }> {
    const { postMs, firstCallMs, firstShownMs } = await this.#noted();
    return { toldMs: firstCallMs - postMs, shownMs: firstShownMs - postMs };
  }

  /** Reads time codes and hears beeps from now on. */
  async start(): Promise<void> {
    await this.page.evaluate('startWatching()');
    await until(async () => (await this.#noted()).blocks > 20);
  }

  forget(): Promise<void> {
    return this.page.evaluate('forgetWatched()');
  }

  async frames(): Promise<SeenFrame[]> {
    return (await this.#noted()).frames;
  }

  /** When beeps after 100 ms of quiet began, as the browser took them out of its jitter buffer to play them. */
  async beepsMs(): Promise<number[]> {
    return (await this.#noted()).beepsMs;
  }

  inbound(): Promise<Inbound> {
    return this.page.evaluate('inboundStats()');
  }

  /** How far this page's clock is ahead of `Date.now()`, in ms; the server's and ours differ from it likewise. */
  clockSkewMs(): Promise<number> {
    return this.page.evaluate(
      '(() => { let best = -Infinity; for (let i = 0; i < 20000; i++) ' +
        'best = Math.max(best, Date.now() - performance.timeOrigin - performance.now()); return -best; })()',
    );
  }

  close(): Promise<void> {
    return this.page.context().close();
  }

  #noted(): Promise<Noted> {
    return this.page.evaluate('watcher');
  }
}
