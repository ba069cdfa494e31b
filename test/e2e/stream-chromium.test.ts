import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quantile } from '../../bench/lib/report.js';
import { createPeer, openPeerCount, type PeerFactory } from '../../src/stream/peer.js';
import { type TestSession, inbound, launchChromium, seenBy, serveSessions, startSession, until, watch } from './stream-fixture.js';

const UDP_PORT = 18_189;
let browser: Browser;
let server: Awaited<ReturnType<typeof serveSessions>>;
const sessions: Record<string, TestSession> = {};
/** One video packet in this many is lost on the way; 0: none. */
let loseOneIn = 0;
let videoPackets = 0;

const lossyPeer: PeerFactory = (offer, options, events) => {
  const peer = createPeer(offer, options, events);
  return {
    answer: peer.answer,
    close: () => peer.close(),
    send: (kind, packet) => {
      const isRtp = packet[1]! < 192 || packet[1]! > 223;
      if (kind === 'video' && isRtp && loseOneIn > 0 && (videoPackets += 1) % loseOneIn === 0) return true;
      return peer.send(kind, packet);
    },
  };
};

beforeAll(async () => {
  sessions.one = startSession({ udpPort: UDP_PORT, createPeer: lossyPeer });
  sessions.two = startSession({ udpPort: UDP_PORT });
  server = await serveSessions(sessions);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  for (const session of Object.values(sessions)) session.close();
  await until('all connections are closed', 5000, () => openPeerCount() === 0);
});

let pages: Page[] = [];
afterEach(async () => {
  loseOneIn = 0;
  await Promise.all(pages.map((page) => page.close()));
  pages = [];
  await until('all viewers are gone', 12_000, () => Object.values(sessions).every(({ hub }) => hub.stats().viewers.length === 0));
});

async function open(session: string, kinds?: ('audio' | 'video')[]): Promise<Page> {
  const page = await watch(browser, server.url, session, kinds);
  pages.push(page);
  return page;
}

describe('a session in Chromium', () => {
  it('plays at 25 fps with its sound in step, soon after the POST', async () => {
    const page = await open('one');
    await until('10 s of picture', 25_000, async () => (await seenBy(page)).shown.length > 250);
    const { shown, onsets, postMs, peak } = await seenBy(page);
    const { originWallMs, sentMs, hub } = sessions.one!;
    const late = shown.slice(50);
    const fps = ((late.at(-1)!.frame - late[0]!.frame) / (late.at(-1)!.callMs - late[0]!.callMs)) * 1000;
    const latency = quantile(late.map(({ frame, atMs }) => atMs - sentMs[frame]!), 0.5);
    // When the tone of each onset was due, and what its picture's own delay was.
    const offsets = onsets.slice(1).flatMap((atMs) => {
      const second = Math.round((atMs - originWallMs - 150) / 1000);
      const picture = shown.find(({ frame }) => frame === second * 25);
      return picture === undefined ? [] : [atMs - picture.atMs];
    });
    const audio = await inbound(page, 'audio');
    const video = await inbound(page, 'video');
    console.log({
      firstPictureMs: shown[0]!.callMs - postMs,
      fps,
      latency,
      offsets: offsets.map(Math.round),
      playoutDifference: audio.estimatedPlayoutTimestamp! - video.estimatedPlayoutTimestamp!,
      peak,
      stats: hub.stats().viewers[0],
      decoded: video.framesDecoded,
      freezes: video.freezeCount,
      jitterMs: (video.jitterBufferDelay! / video.jitterBufferEmittedCount!) * 1000,
    });
    expect(shown[0]!.callMs - postMs).toBeLessThan(1500);
    expect(fps).toBeGreaterThan(24.5);
    expect(fps).toBeLessThan(25.5);
    expect(peak).toBeGreaterThan(0.1);
    expect(video.packetsLost).toBe(0);
    expect(new Set(late.map(({ frame }) => frame)).size).toBeGreaterThan(late.length * 0.95);
  });
});
