import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { preparePublisher, startMockApi, type MockApi } from './mock-api.js';

// As in the other browser tests; candidates are shown plainly, because two tabs of one browser talk to each other.
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
  '--disable-component-update --disable-sync --disable-features=WebRtcHideLocalIpsWithMdns ' +
  '--use-fake-device-for-media-stream --use-fake-ui-for-media-stream';

/** A browser, the mock of the API, and pages of it that report what goes wrong inside them. */
export interface PagesFixture {
  readonly browser: Browser;
  readonly api: MockApi;
  readonly publisher: Page;
  /** Uncaught errors, refused policies and failed modules of all pages since the last `open`. */
  readonly errors: string[];
  /** Closes the pages opened before, and opens one. */
  open(path: string, options?: BrowserContextOptions & { script?: string }): Promise<Page>;
  close(): Promise<void>;
}

export async function startPages(): Promise<PagesFixture> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: FLAGS.split(' ') });
  const publisher = await browser.newPage();
  const api = await startMockApi(async () => publisher);
  await preparePublisher(publisher, api);
  const errors: string[] = [];
  const own = publisher.context();
  const closePages = async () => {
    const others = browser.contexts().filter((context) => context !== own);
    await Promise.all(others.map((context) => context.close()));
  };
  return {
    browser,
    api,
    publisher,
    errors,
    async open(path, { script, ...options } = {}) {
      await closePages();
      errors.length = 0;
      api.reset();
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      if (script) await page.addInitScript(script);
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => {
        // Answers like 404 are logged by the browser itself; the tests provoke them.
        const ours = !/Failed to load resource/.test(message.text());
        if (message.type() === 'error' && ours) errors.push(message.text());
      });
      await page.goto(api.url + path);
      return page;
    },
    async close() {
      await closePages();
      await browser.close();
      await api.close();
    },
  };
}

/** Waits until the element shows a picture. */
export async function live(page: Page): Promise<void> {
  await page.locator('dh-live-viewer[data-state=live]').waitFor();
}

/** Waits until an expression holds in the page. (Playwright's own wait needs `eval`, which the pages' policy forbids.) */
export async function holds(page: Page, expression: string): Promise<void> {
  await expect.poll(() => page.evaluate(`Boolean(${expression})`), { timeout: 15_000 }).toBe(true);
}
