import { connect } from 'node:net';
import { faultOf, shown, type Trial, type World } from './attack.js';
import type { FuzzRandom } from './fuzz-random.js';
import { jsonText, mutateBytes } from './mutate.js';
import { sendParts, type WirePart } from './raw-http.js';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const COMMANDS: readonly unknown[] = [
  { type: 'end' },
  { type: 'interrupt' },
  { type: 'x' },
  { type: null },
  null,
  [],
  'end',
  { __proto__: { type: 'end' } },
];

/** One WebSocket: an upgrade that is right or broken, then sound, commands and frames that are none, then a sudden end. */
export async function wsAttack(random: FuzzRandom, world: World): Promise<Trial> {
  const good = random.chance(0.7);
  const upgrade = upgradeRequest(random, world, good);
  const frames = good ? Array.from({ length: random.between(1, 12) }, () => frameOf(random)) : [];
  const parts: WirePart[] = frames.flatMap((frame) => (random.chance(0.3) ? [frame, random.between(1, 60)] : [frame]));
  const stayMs = random.between(0, 400);
  const farewell = random.pick(['reset', 'half', 'close'] as const);
  const { text, late } = await converse(world, random.loopback(), upgrade, parts, stayMs, farewell);
  const sent = `${shown(upgrade)} then ${parts.map((part) => (typeof part === 'number' ? `(${part} ms)` : shown(part, 300))).join(' ')} then ${farewell}`;
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  return {
    sent,
    outcome: status ?? 'no answer',
    fault: late ? `no answer in ${world.limitMs} ms` : faultOf(text.slice(0, 4000)),
  };
}

function converse(
  world: World,
  from: string,
  upgrade: Buffer,
  parts: readonly WirePart[],
  stayMs: number,
  farewell: 'reset' | 'half' | 'close',
): Promise<{ text: string; late: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ host: world.host, port: world.port, localAddress: from, allowHalfOpen: true });
    let text = '';
    let late = false;
    let begun = false;
    const over = (): void => {
      clearTimeout(limit);
      if (farewell === 'reset') socket.resetAndDestroy();
      else socket.destroy();
      resolve({ text, late });
    };
    const limit = setTimeout(() => {
      late = text === '';
      over();
    }, world.limitMs);
    socket.on('connect', () => socket.write(upgrade));
    socket.on('error', over);
    socket.on('close', over);
    socket.on('end', () => setTimeout(over, stayMs));
    socket.on('data', (data) => {
      if (text.length < 65_536) text += data.toString('latin1');
      if (begun || !text.includes('\r\n\r\n')) return;
      begun = true;
      void sendParts(socket, parts).then(() => {
        if (farewell === 'half') socket.end();
        setTimeout(over, stayMs);
      });
    });
  });
}

/** A handshake (RFC 6455, section 4.1); when it is not `good`, with something wrong in it. */
function upgradeRequest(random: FuzzRandom, world: World, good: boolean): Buffer {
  const overflow = random.pick(['', '&overflow=wait', '&overflow=wait', '&overflow=x']);
  let path = `/api/v1/sessions/${random.pick(world.sessions)}/audio?rate=${random.pick([8000, 16_000, 44_100, 192_000])}${overflow}`;
  const headers: Record<string, string> = {
    Host: `${world.host}:${world.port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': KEY,
  };
  if (world.token !== null) headers['Authorization'] = `Bearer ${world.token}`;
  let method = 'GET';
  if (!good) {
    switch (random.between(0, 7)) {
      case 0:
        delete headers['Authorization'];
        break;
      case 1:
        headers[random.pick(Object.keys(headers))] = random.pick(['', 'x', '\xff', 'y'.repeat(3000)]);
        break;
      case 2:
        path = random.pick([
          '/%zz',
          '//[',
          '/api/v1/sessions/%zz/audio',
          '/',
          '*',
          '/api/v1/sessions/none/audio',
          `/${'a'.repeat(9000)}`,
        ]);
        break;
      case 3:
        path = path.replace(/rate=\d+/, `rate=${random.pick(['0', '-1', '1e9', 'x', '', 'NaN', '7999'])}`);
        break;
      case 4:
        headers['Sec-WebSocket-Extensions'] = random.pick([
          'permessage-deflate; x=y',
          'permessage-deflate',
          ';;',
          'a'.repeat(3000),
        ]);
        break;
      case 5:
        method = random.pick(['POST', 'HEAD', 'get']);
        break;
      case 6:
        headers['Origin'] = random.pick(['http://evil.example', 'null', ':', '']);
        break;
      default:
        headers['Sec-WebSocket-Protocol'] = random.pick(['a,a', '\x01', 'x'.repeat(2000)]);
    }
  }
  const lines = [`${method} ${path} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** One frame (RFC 6455, section 5.2): sound, a command, or nonsense. */
function frameOf(random: FuzzRandom): Buffer {
  switch (random.between(0, 9)) {
    case 0:
    case 1:
    case 2:
      return frame(2, random.bytes(2 * random.between(0, 4000)), random);
    case 3:
      return frame(2, random.bytes(2 * random.between(0, 2000) + 1), random);
    case 4:
      return frame(1, jsonText(random.pick(COMMANDS), random), random);
    case 5:
      return frame(1, random.bytes(random.between(1, 200)), random);
    case 6:
      return frame(random.between(0, 15), random.bytes(random.between(0, 130)), random);
    case 7:
      return frame(2, random.bytes(random.pick([200_000, 300_000])), random);
    case 8:
      return mutateBytes(frame(2, random.bytes(640), random), random);
    default:
      return random.bytes(random.between(1, 100));
  }
}

function frame(opcode: number, payload: Buffer, random: FuzzRandom): Buffer {
  const first = (random.chance(0.9) ? 0x80 : 0) | (random.chance(0.03) ? 0x40 : 0) | opcode;
  const masked = random.chance(0.97);
  const length = random.chance(0.98) ? payload.length : random.pick([0, 125, 65_535, 0x7fffffff]);
  const header =
    length < 126
      ? Buffer.from([first, length])
      : length < 65_536
        ? Buffer.from([first, 126, length >> 8, length & 0xff])
        : Buffer.from([
            first,
            127,
            0,
            0,
            0,
            0,
            (length >>> 24) & 0xff,
            (length >>> 16) & 0xff,
            (length >>> 8) & 0xff,
            length & 0xff,
          ]);
  if (!masked) return Buffer.concat([header, payload]);
  header[1] = header[1]! | 0x80;
  // A mask of zeros is one as well, and shows the payload in the replay.
  return Buffer.concat([header, Buffer.alloc(4), payload]);
}
