import { afterEach, beforeEach, expect, it } from 'vitest';
import { seededRandom } from '../../src/avatar/life-random.js';
import { openPeerCount } from '../../src/stream/peer.js';
import { StreamHub } from '../../src/stream/stream-hub.js';
import { FRAME_MS } from '../../src/units.js';
import { freeUdpPort } from '../support/free-port.js';
import { RawViewer } from '../support/raw-viewer.js';
import { until } from '../support/server.js';

const PICTURE_BYTES = 3000;
const SDES = 202;

let hub: StreamHub;
let frame = 0;
let sender: NodeJS.Timeout;
let viewers: RawViewer[] = [];

beforeEach(async () => {
  hub = new StreamHub({
    originWallMs: Date.now(),
    requestIdr: () => undefined,
    udpPort: await freeUdpPort(),
    maxViewers: 5,
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
  const viewer = await RawViewer.open((offer) => hub.addViewer(name, offer));
  viewers.push(viewer);
  return viewer;
}

/** Sends that many packets, 1000 a second. */
async function attack(viewer: RawViewer, packets: number, next: () => Buffer): Promise<void> {
  const begin = performance.now();
  for (let sent = 0; sent < packets;) {
    for (; sent < Math.min(packets, performance.now() - begin); sent += 1) viewer.sendRtcp(next());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A source description of random content, and a part of no RTCP version behind it, by which the server counts it. */
function malformedSdes(random: () => number): Buffer {
  const words = Math.floor(random() * 6);
  const packet = Buffer.from(Array.from({ length: 8 + 4 * words }, () => Math.floor(random() * 256)));
  packet.set([0x80 | Math.floor(random() * 32), SDES, 0, words]);
  packet.fill(0, 4 + 4 * words);
  return packet;
}

function randomRtcp(random: () => number): Buffer {
  const packet = Buffer.from(Array.from({ length: 8 + Math.floor(random() * 120) }, () => Math.floor(random() * 256)));
  packet.set([0x80 | (packet[0]! & 0x3f), 192 + Math.floor(random() * 32), 0, Math.floor(random() * 30)]);
  return packet;
}

it.each([
  ['malformed source descriptions', malformedSdes],
  ['random RTCP', randomRtcp],
])('1000 packets a second with %s from one viewer cost the others nothing', async (_, make) => {
  const [good, bad] = [await join('good'), await join('bad')];
  good.keepAlive();
  await until(() => good.video.length > 30 && good.audio.length > 20);
  const from = { video: good.video.length, audio: good.audio.length };
  const firstFrame = frame;
  const random = seededRandom(1);
  await attack(bad, 3000, () => make(random));
  // Who comes now is served as well: a hang of the library would stop the event loop here.
  const late = await join('late');
  const end = frame + 10;
  await until(() => frame > end && late.video.length > 0);
  await until(() => good.video.since(from.video).units.length >= frame - firstFrame - 2);
  const [video, audio] = [good.video.since(from.video), good.audio.since(from.audio)];
  expect([video.lost, audio.lost]).toEqual([0, 0]);
  expect(audio.units.length).toBeGreaterThanOrEqual(2 * (frame - firstFrame - 2));
  expect(hub.stats().viewers.find(({ id }) => id === 'bad')!.malformed).toBeGreaterThan(1000);
});
