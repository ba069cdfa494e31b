import { tone, wav } from '../support/server.js';
import type { World } from './attack.js';
import type { FuzzRandom } from './fuzz-random.js';
import { jsonText, mutateBytes, mutateJson } from './mutate.js';

/** A body and the type that it is sent as. */
export interface Body {
  type: string | null;
  bytes: Buffer;
}

const ODD_TYPES = [
  'application/json; charset=utf-16',
  'application/json;;;',
  'APPLICATION/JSON',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="x',
  'multipart/mixed; boundary=x',
  'application/sdp',
  'application/octet-stream',
  'x',
  '/',
  `a/${'b'.repeat(5000)}`,
];
const SOUND = wav(tone(0.2));
const PICTURE = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="36"><rect width="64" height="36" fill="#246"/></svg>',
);

/** A body for a route: most often nearly right, for what is far off ends in the first check. */
export function bodyFor(route: string, random: FuzzRandom, world: World): Body | null {
  const body = validBody(route, random, world);
  if (body === null)
    return random.chance(0.9) ? null : { type: random.pick(ODD_TYPES), bytes: random.bytes(random.length(2000)) };
  if (random.chance(0.06)) body.type = random.pick(ODD_TYPES);
  if (random.chance(0.01)) body.type = null;
  return body;
}

function validBody(route: string, random: FuzzRandom, world: World): Body | null {
  const json = (value: unknown): Body => {
    const changed = random.chance(0.75) ? mutateJson(value, random) : value;
    return {
      type: 'application/json',
      bytes: random.chance(0.75) ? Buffer.from(JSON.stringify(changed) ?? '') : jsonText(changed, random),
    };
  };
  switch (route) {
    case 'POST /api/v1/sessions':
      return json({ id: `fuzz-${random.between(1, 3)}`, avatar: 'presenter', preset: 'low', voice: 'slt' });
    case 'PATCH /api/v1/sessions/:id':
      return json({ preset: 'low', session: random.pick(CHEAP_SETTINGS) });
    case 'PATCH /api/v1/config':
      return json({ session: random.pick(CHEAP_SETTINGS), monitor: { diskFreeMb: 100 }, statsIntervalS: 10 });
    case 'POST /api/v1/sessions/:id/say':
      return json({
        text: random.pick(TEXTS),
        language: random.pick(['en', 'de', 'zh']),
        interrupt: random.chance(0.5),
      });
    case 'POST /api/v1/memory/trim':
      return json({ level: random.pick(['soft', 'hard']) });
    case 'POST /api/v1/renders':
      return json({ ...RENDER, items: [{ text: 'Hi.' }, { upload: random.pick([...world.ids, 'x']), gap: '1s' }] });
    case 'POST /api/v1/sessions/:id/audio':
    case 'POST /api/v1/renders/uploads':
      return fileBody(random);
    case 'POST /whep/:id':
      return {
        type: 'application/sdp',
        bytes: mutateBytes(Buffer.from('v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n'), random),
      };
    default:
      return route.startsWith('POST') || route.startsWith('PATCH') ? json({}) : null;
  }
}

/** Settings that cost nothing to take: no other size, no other encoder. */
const CHEAP_SETTINGS = [
  { bitrateKbps: 800 },
  { opusBitrateKbps: 24, maxQueueSize: 4 },
  { framePoolSize: 4 },
  { idleQuality: 'full' },
];
const TEXTS = [
  'Hi.',
  'Good day.',
  '你好。',
  '\u0001\u0002',
  '....',
  '<speak><break time="1e9s"/></speak>',
  '1234567890'.repeat(3),
  '\u{1f600}'.repeat(20),
  'a\u0301'.repeat(50),
  'مرحبا',
];
/** With a wrong template it is refused; with a good one it is short. */
const RENDER = { size: '128x72', subtitles: 'srt', format: 'mp4', project: 'fuzz', gap: '100ms', split: '10m' };

function fileBody(random: FuzzRandom): Body {
  const file = random.chance(0.8) ? SOUND : PICTURE;
  const bytes = random.chance(0.7)
    ? mutateBytes(file, random)
    : random.chance(0.2)
      ? random.bytes(random.length(60_000))
      : file;
  return random.chance(0.5) ? { type: 'audio/wav', bytes } : formBody(bytes, random);
}

/** A form that has lost its ends, has too many parts, or names too long. */
function formBody(bytes: Buffer, random: FuzzRandom): Body {
  const boundary = random.pick(['x', 'x'.repeat(70), 'x'.repeat(300), '-', ' ', '"']);
  const name = random.pick(['file', 'file', '', '__proto__', 'f'.repeat(5000), 'other']);
  const part = (value: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="../a\0.wav"\r\n`),
      Buffer.from(
        random.pick(['\r\n', 'Content-Type: audio/wav\r\n\r\n', 'Content-Transfer-Encoding: base64\r\n\r\n', '']),
      ),
      value,
      Buffer.from('\r\n'),
    ]);
  const parts = Array.from({ length: random.pick([1, 1, 1, 2, 20]) }, () => part(bytes));
  const end = random.pick([`--${boundary}--\r\n`, `--${boundary}\r\n`, '', '--']);
  const whole = Buffer.concat([...parts, Buffer.from(end)]);
  return {
    type: random.pick([
      `multipart/form-data; boundary=${boundary}`,
      'multipart/form-data',
      'multipart/form-data; boundary=y',
    ]),
    bytes: random.chance(0.3) ? mutateBytes(whole, random) : whole,
  };
}
