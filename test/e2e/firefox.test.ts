import { existsSync } from 'node:fs';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, startServer, until } from '../support/server.js';

const FIREFOX = [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find(
  (path) => path !== undefined && existsSync(path),
);

let server: TestServer;
let browser: Browser;
let page: Page;

/** What the page's connection is and got. */
interface Watched {
  state: string;
  answer: string;
  packetsReceived: number;
  packetsLost: number;
  totalAudioEnergy: number;
  framesDecoded: number;
  hasH264: boolean;
  /** All text of the page, that of its components too. */
  text: string;
}

/** Runs in the page before its own scripts: `watchedPeer` tells of the connection that was made last. */
const PROBE = `() => {
  const made = [];
  const Original = RTCPeerConnection;
  RTCPeerConnection = class extends Original {
    constructor(configuration) {
      super(configuration);
      made.push(this);
    }
  };
  const textOf = (root) =>
    root.textContent + [...root.querySelectorAll('*')].map(({ shadowRoot }) => (shadowRoot ? textOf(shadowRoot) : '')).join(' ');
  globalThis.watchedPeer = async () => {
    const pc = made.at(-1);
    const stats = pc ? [...(await pc.getStats()).values()] : [];
    const inbound = (kind) => stats.find((entry) => entry.type === 'inbound-rtp' && entry.kind === kind) ?? {};
    const { packetsReceived = 0, packetsLost = 0, totalAudioEnergy = 0 } = inbound('audio');
    const { codecs } = RTCRtpReceiver.getCapabilities('video');
    return {
      state: pc?.connectionState ?? 'none',
      answer: pc?.remoteDescription?.sdp ?? '',
      packetsReceived,
      packetsLost,
      totalAudioEnergy,
      framesDecoded: inbound('video').framesDecoded ?? 0,
      hasH264: codecs.some(({ mimeType }) => mimeType.toLowerCase() === 'video/h264'),
      text: textOf(document.body),
    };
  };
}`;

// Left out aloud: a machine without Firefox shows these tests as skipped.
describe.skipIf(FIREFOX === undefined)('Firefox on the default start', () => {
  beforeAll(async () => {
    server = await startServer({ args: ['--preset', 'low'] });
    browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: FIREFOX!,
      extraPrefsFirefox: { 'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0 },
    });
    page = await browser.newPage();
    await page.evaluateOnNewDocument(`(${PROBE})()`);
    await page.goto(`${server.url}/`);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  const watched = async () => (await page.evaluate('watchedPeer()')) as Watched;

  it('connects, and hears the avatar speak', async () => {
    await until(async () => (await watched()).packetsReceived > 25, 20_000);
    const before = await watched();
    expect(before.state).toBe('connected');
    expect(before.answer).toContain(' 127.0.0.1 ');
    const said = await server.post('/api/v1/sessions/main/say', { text: 'Hello Firefox, can you hear me?' });
    expect(said.status).toBe(202);
    await until(async () => (await watched()).totalAudioEnergy - before.totalAudioEnergy > 0.001, 20_000);
    const after = await watched();
    expect(after.packetsReceived).toBeGreaterThan(before.packetsReceived);
    expect(after.packetsLost).toBe(0);
  });

  it('shows the picture, as VP8 if it has no H.264', async () => {
    await until(async () => (await watched()).framesDecoded > 50, 20_000);
    const { answer, hasH264, text } = await watched();
    expect(answer).toContain(hasH264 ? 'H264/90000' : 'VP8/90000');
    expect(text).not.toContain('cannot show the picture');
  });
});
