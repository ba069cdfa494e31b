import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, type Page, chromium } from 'playwright-core';
import { DhError } from '../../src/errors.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';
import { StreamHub, type StreamHubOptions } from '../../src/stream/stream-hub.js';
import { FRAME_MS } from '../../src/units.js';
import { TestMedia } from './stream-media.js';
import { STREAM_PAGE } from './stream-page.js';

/** A session that sends the test picture and tone, and its WHEP endpoint `/whep/<name>`. */
export interface TestSession {
  hub: StreamHub;
  media: TestMedia;
  originWallMs: number;
  /** When each frame was handed over, encoded, by its number. */
  sentMs: number[];
  close(): void;
}

const wallNow = (): number => performance.timeOrigin + performance.now();

/** Starts the 25 fps loop of a session; `udpPort` may be shared. */
export function startSession(
  options: Partial<StreamHubOptions> & { udpPort: number },
  media = new TestMedia(),
): TestSession {
  const originWallMs = wallNow() + 20;
  const hub = new StreamHub({
    originWallMs,
    requestIdr: (codec) => void media.idrWanted.add(codec),
    maxViewers: 20,
    ...options,
  });
  const sentMs: number[] = [];
  let frame = 0;
  let timer: NodeJS.Timeout;
  const next = (): void => {
    hub.sendAudio(media.sound(frame));
    const unit = media.picture(frame);
    sentMs[frame] = wallNow();
    hub.sendVideo(unit);
    if (hub.watched('vp8')) hub.sendVideo(media.picture(frame, 'vp8'), 'vp8');
    frame += 1;
    timer = setTimeout(next, Math.max(0, originWallMs + frame * FRAME_MS - wallNow()));
  };
  timer = setTimeout(next, 20);
  let closed = false;
  return {
    hub,
    media,
    originWallMs,
    sentMs,
    close: () => {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      hub.close();
      media.close();
    },
  };
}

/** Serves the page, and `POST /whep/<name>` for the sessions. */
export async function serveSessions(
  sessions: Record<string, TestSession>,
): Promise<{ url: string; close: () => Promise<void> }> {
  let viewers = 0;
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html').end(STREAM_PAGE);
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const session = sessions[request.url!.slice('/whep/'.length)]!;
      viewers += 1;
      const answer = async () =>
        session.hub.addViewer(`viewer-${viewers}`, checkOffer(Buffer.concat(chunks).toString()));
      answer().then(
        (answer) => response.writeHead(201, { 'content-type': 'application/sdp' }).end(answer),
        (error: unknown) => {
          const { status, message } = DhError.from(error);
          response.writeHead(status).end(message);
        },
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The system's Chromium, without its own network traffic. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
}

/** What a page has seen so far. */
export interface Seen {
  shown: { frame: number; atMs: number; callMs: number; width: number }[];
  onsets: number[];
  peak: number;
  postMs: number;
  answer: string;
  state: string;
}

/** Opens the page and watches a session; `options` are those of the page's `RTCPeerConnection`, and codecs to leave out. */
export async function watch(
  browser: Browser,
  url: string,
  session: string,
  kinds: ('audio' | 'video')[] = ['audio', 'video'],
  options: { bundlePolicy?: string; without?: string[] } = {},
): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(url);
  await page.evaluate(
    `watchStream('/whep/${session}', ${JSON.stringify(kinds)}, ${JSON.stringify(options)}).then((seen) => { window.seen = seen; })`,
  );
  return page;
}

/** Closes pages like a viewer that leaves: with a goodbye, so that the server need not find out by their silence. */
export async function leave(pages: readonly Page[]): Promise<void> {
  await Promise.all(
    pages.map(async (page) => {
      await page.evaluate('window.seen?.pc.close()');
      await page.close();
    }),
  );
}

export async function seenBy(page: Page): Promise<Seen> {
  return page.evaluate('({ ...seen, pc: undefined, state: seen.pc.connectionState })');
}

/** The page's inbound-rtp statistics of one kind. */
export async function inbound(page: Page, kind: 'audio' | 'video'): Promise<Record<string, number>> {
  return page.evaluate(`report(seen, '${kind}')`);
}

/** How the page's transport is encrypted, and what each line of its offer does. */
export async function transportOf(page: Page): Promise<{ srtpCipher: string; directions: string[] }> {
  return page.evaluate('transportOf(seen)');
}

/** Waits until `done` holds, looking every 50 ms. */
export async function until(what: string, limitMs: number, done: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
