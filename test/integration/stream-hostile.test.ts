import { afterEach, beforeEach, expect, it } from 'vitest';
import { seededRandom } from '../../src/avatar/life-random.js';
import { openPeerCount } from '../../src/stream/peer.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';
import { StreamHub } from '../../src/stream/stream-hub.js';
import { FRAME_MS } from '../../src/units.js';
import { freeUdpPort } from '../support/free-port.js';
import { RawViewer } from '../support/raw-viewer.js';
import { until } from '../support/server.js';

const PICTURE_BYTES = 3000;
const SDES = 202;
const NACK = 205;

let hub: StreamHub;
let frame = 0;
let sender: NodeJS.Timeout;
let viewers: RawViewer[] = [];

beforeEach(async () => {
  hub = new StreamHub({
    originWallMs: Date.now(),
    requestIdr: () => undefined,
    udpPort: await freeUdpPort(),
    maxViewers: 50,
  });
  const data = Buffer.alloc(PICTURE_BYTES, 3);
  sender = setInterval(() => {
    const sound = [0, 1].map((half) => ({ data: Buffer.alloc(60, 1), sample: frame * 1920 + half * 960 }));
    const keyFrame = frame % 25 === 0;
    data.set([0, 0, 0, 1, keyFrame ? 0x65 : 0x41]);
    hub.sendAudio(sound);
    hub.sendVideo({ data, keyFrame, frame });
    frame += 1;
  }, FRAME_MS);
});

afterEach(async () => {
  clearInterval(sender);
  for (const viewer of viewers) viewer.close();
  viewers = [];
  hub.close();
  await until(() => openPeerCount() === 0);
});

async function join(name: string): Promise<RawViewer> {
  const viewer = await RawViewer.open((offer) => hub.addViewer(name, checkOffer(offer)));
  viewers.push(viewer);
  return viewer;
}

/** Sends packets, 1000 a second, until `done`; as often as the server ends the connection it comes again. */
async function attack(make: (n: number) => Buffer, done: (sent: number) => boolean): Promise<void> {
  const begin = performance.now();
  let [sent, joins, dealtWithMs] = [0, 1, 0];
  let viewer = await join('bad-1');
  for (;;) {
    if (done(sent)) return;
    const elapsedMs = performance.now() - begin;
    if (!hub.stats().viewers.some(({ id }) => id === `bad-${joins}`)) viewer = await join(`bad-${(joins += 1)}`);
    // What was not sent while it was away is not made up for.
    dealtWithMs = Math.max(dealtWithMs, elapsedMs - 50);
    for (; dealtWithMs < elapsedMs; dealtWithMs += 1, sent += 1) viewer.send(make(sent));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const random = seededRandom(1);
const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)));

/** A source description of random content from one source; every tenth packet asks for one that never was. */
function malformedSdes(n: number): Buffer {
  if (n % 10 === 0) return Buffer.from([0x81, NACK, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  const words = 1 + Math.floor(random() * 5);
  const packet = bytes(4 + 4 * words);
  packet.set([0x80 | Math.floor(random() * 32), SDES, 0, words, 0, 0, 0, 1]);
  return packet;
}

function randomRtcp(): Buffer {
  const packet = bytes(8 + Math.floor(random() * 120));
  packet.set([0x80 | (packet[0]! & 0x3f), 192 + Math.floor(random() * 32), 0, Math.floor(random() * 30)]);
  return packet;
}

function reportOfManySources(n: number): Buffer {
  const packet = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0]);
  packet.writeUInt32BE(n, 4);
  return packet;
}

function randomRtp(): Buffer {
  const packet = bytes(100);
  packet.set([0x80, 102]);
  return packet;
}

it.each([
  ['malformed source descriptions', malformedSdes, false],
  ['random RTCP', randomRtcp, true],
  ['reports of ever other sources', reportOfManySources, true],
  ['RTP', randomRtp, true],
])('1000 packets a second of one viewer cost the others nothing: %s', async (_, make, isRemoved) => {
  const good = await join('good');
  good.keepAlive();
  await until(() => good.video.length > 30 && good.audio.length > 20);
  const from = { video: good.video.length, audio: good.audio.length };
  const firstFrame = frame;
  const removed = () => hub.stats().totals.removed.abusive;
  await attack(make, (sent) => (isRemoved ? removed() >= 2 : sent >= 1500));
  if (!isRemoved) {
    await until(() => hub.stats().viewers.find(({ id }) => id === 'bad-1')!.nacks >= 140);
    expect(removed()).toBe(0);
  }
  // Who comes now is served as well: a hang of the library would stop the event loop here.
  const late = await join('late');
  const end = frame + 10;
  await until(() => frame > end && late.video.length > 0);
  await until(() => good.video.since(from.video).units.length >= frame - firstFrame - 2);
  const [video, audio] = [good.video.since(from.video), good.audio.since(from.audio)];
  expect([video.lost, audio.lost]).toEqual([0, 0]);
  expect(audio.units.length).toBeGreaterThanOrEqual(2 * (frame - firstFrame - 2));
});
