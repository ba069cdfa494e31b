import { createSocket } from 'node:dgram';
import type { Trial, World } from './attack.js';
import type { FuzzRandom } from './fuzz-random.js';
import { HostileViewer } from './hostile-viewer.js';
import { mutateBytes } from './mutate.js';
import { HOSTILE_SESSION } from './watch.js';
import { deleteViewer, postOffer, sdpOf } from './whep.js';

/** Packets of one step, and how many of them go at once. */
const PACKETS = 300;
const BURST = 10;
const PAUSE_MS = 10;

/** What an attack over RTCP is made of; each makes one packet. */
export type PacketMaker = (random: FuzzRandom, ssrcs: readonly number[]) => Buffer;

/** A viewer with a real SRTP session sends RTCP that is none, or throws rubbish at the media port. */
export async function rtcpStep(random: FuzzRandom, world: World): Promise<Trial> {
  if (random.chance(0.25)) return udpAttack(random, world);
  const name = random.pick(Object.keys(MAKERS));
  return attackAs(name, MAKERS[name]!, PACKETS, random, world);
}

/** Sends `count` packets at 1,000 a second or what the machine can do of it. */
export async function attackAs(
  name: string,
  make: PacketMaker,
  count: number,
  random: FuzzRandom,
  world: World,
): Promise<Trial> {
  const from = random.loopback();
  const viewer = new HostileViewer(from);
  try {
    const answer = await postOffer(world, HOSTILE_SESSION, Buffer.from(await viewer.offer()), from);
    if (answer.status !== 201) {
      const fault = answer.end === 'late' ? `no answer to an offer in ${world.limitMs} ms` : null;
      return { sent: 'an offer', outcome: `offer ${answer.status ?? answer.end}`, fault };
    }
    if (!(await viewer.connect(sdpOf(answer)))) return { sent: 'an offer', outcome: 'not connected', fault: null };
    let sent = 0;
    for (let i = 0; i < count; i++) {
      if (viewer.send(make(random, [...viewer.ssrcs]))) sent += 1;
      if (i % BURST === BURST - 1) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    if (random.chance(0.7)) await deleteViewer(world, answer, from);
    return { sent: `${sent} packets of ${name}`, outcome: sent > 0 ? name : `none of ${name} went`, fault: null };
  } finally {
    viewer.close();
  }
}

function packet(count: number, type: number, body: Buffer, lengthWords = Math.ceil(body.length / 4)): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  return Buffer.concat([
    Buffer.from([0x80 | (count & 0x1f), type, (lengthWords >> 8) & 0xff, lengthWords & 0xff]),
    padded,
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** The kinds of bad RTCP (RFC 3550, 4585, 5104). */
export const MAKERS: Readonly<Record<string, PacketMaker>> = {
  /** Source descriptions whose chunks or items do not end where they say. */
  'malformed SDES': (random) => {
    const text = random.bytes(random.between(0, 20));
    const item = Buffer.concat([Buffer.from([random.between(0, 9), random.pick([0, text.length, 255])]), text]);
    return packet(random.between(0, 31), 202, Buffer.concat([uint32(1), item, item]));
  },
  'reports with wrong counts': (random, ssrcs) => {
    const blocks = random.bytes(24 * random.between(0, 4) + random.between(0, 8));
    const body = Buffer.concat([uint32(1), uint32(ssrcs[0] ?? 1), blocks]);
    return packet(
      random.between(0, 31),
      random.pick([200, 201]),
      body,
      random.pick([0, 1, Math.ceil(body.length / 4), 0xffff]),
    );
  },
  'NACKs of everything': (random, ssrcs) => {
    const pairs = Buffer.concat(
      Array.from({ length: 50 }, () => Buffer.concat([random.bytes(2), Buffer.from([255, 255])])),
    );
    return packet(1, 205, Buffer.concat([uint32(1), uint32(random.pick([...ssrcs, 7])), pairs]));
  },
  'picture loss and REMB': (random, ssrcs) => {
    const ssrc = uint32(random.pick([...ssrcs, 7]));
    if (random.chance(0.5)) return packet(random.pick([1, 4]), 206, Buffer.concat([uint32(1), ssrc]));
    return packet(15, 206, Buffer.concat([uint32(1), uint32(0), Buffer.from('REMB'), random.bytes(8)]));
  },
  'BYE, APP and XR': (random, ssrcs) =>
    packet(
      random.between(0, 31),
      random.pick([203, 204, 207, 192, 195, 223]),
      Buffer.concat([uint32(ssrcs[0] ?? 1), random.bytes(random.between(0, 40))]),
    ),
  'compound packets, bytes changed': (random, ssrcs) => {
    const whole = Buffer.concat([
      packet(1, 201, Buffer.concat([uint32(1), uint32(ssrcs[0] ?? 1), random.bytes(20)])),
      packet(1, 202, Buffer.concat([uint32(1), Buffer.from([1, 4]), Buffer.from('abcd\0\0')])),
      packet(1, 206, Buffer.concat([uint32(1), uint32(ssrcs[0] ?? 1)])),
    ]);
    const changed = mutateBytes(whole, random);
    return changed.length > 1 ? Buffer.concat([Buffer.from([0x81, 201]), changed.subarray(2)]) : whole;
  },
  'random bytes': (random) => {
    const bytes = random.bytes(random.between(8, 1200));
    bytes[0] = 0x80 | (bytes[0]! & 0x3f);
    bytes[1] = random.between(192, 223);
    return bytes;
  },
};

/** Rubbish for the media port: nearly STUN, nearly DTLS, nearly RTP, or nothing of all that. */
async function udpAttack(random: FuzzRandom, world: World): Promise<Trial> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.bind(0, random.loopback(), resolve));
  let sent = 0;
  for (let i = 0; i < PACKETS; i++) {
    const bytes = random.bytes(random.pick([0, 1, 8, 20, 28, 100, 1400, 9000]));
    const first = random.pick([0x00, 0x01, 0x14, 0x16, 0x17, 0x40, 0x80, 0x90, 0xff]);
    if (bytes.length > 0) bytes[0] = first;
    if (first < 2 && bytes.length >= 20) {
      bytes[1] = random.pick([1, 0x11, 3]);
      bytes.writeUInt16BE(random.pick([0, bytes.length - 20, 0xffff]), 2);
      bytes.writeUInt32BE(0x2112a442, 4);
    }
    if (first === 0x16 && bytes.length >= 13) bytes.writeUInt16BE(0xfefd, 1);
    socket.send(bytes, world.mediaPort, world.host, () => undefined);
    sent += 1;
    if (i % BURST === BURST - 1) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await new Promise<void>((resolve) => socket.close(resolve));
  return { sent: `${sent} datagrams of rubbish to UDP ${world.mediaPort}`, outcome: 'rubbish', fault: null };
}
