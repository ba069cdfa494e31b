/**
 * Draws an avatar as a strip of pictures, to look at: mouths by viseme, looks and lids, then moments of idle life and
 * of speech. `node --import tsx tools/preview-avatar.ts [name] [--size 1280x720] [--out strip.png] [--columns 5]
 * [--crop x,y,width,height] [--avatars folder]`
 */
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { bakeAvatar } from '../src/avatar/bake.js';
import type { BakedAvatar } from '../src/avatar/baked.js';
import { Catalogue } from '../src/avatar/catalogue.js';
import { type AvatarEngine, createEngine } from '../src/avatar/engine.js';
import { Life } from '../src/avatar/life.js';
import { VISEME_POSES } from '../src/avatar/visemes.js';
import { type FacePose, type I420Frame, neutralFace, VISEMES } from '../src/units.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '1280x720' },
    out: { type: 'string', default: 'strip.png' },
    columns: { type: 'string', default: '5' },
    crop: { type: 'string' },
    avatars: { type: 'string', default: 'avatars' },
    cache: { type: 'string' },
    only: { type: 'string' },
  },
});

interface Shot {
  group: string;
  pose: FacePose;
}

function shots(): Shot[] {
  const list: Shot[] = [];
  const add = (group: string, change: (pose: FacePose) => void) => {
    const pose = neutralFace();
    change(pose);
    list.push({ group, pose });
  };
  for (const viseme of VISEMES) add('mouth', (pose) => (pose.mouth = { ...VISEME_POSES[viseme] }));
  // Between the pictures that there are.
  for (const open of [0.04, 0.12, 0.22, 0.44, 0.7]) add('between', (pose) => (pose.mouth.open = open));
  for (const [x, y] of [[-0.5, 0], [0.5, 0], [0.6, -0.3], [0, 0.6], [0, -1]] as const) {
    add('eyes', (pose) => (pose.eyes = { x, y, close: 0 }));
  } // prettier-ignore
  for (const close of [0.1, 0.3, 0.5, 0.9, 1]) add('eyes', (pose) => (pose.eyes = { x: 0, y: 0, close }));
  for (const close of [0.5, 1]) add('eyes', (pose) => (pose.eyes = { x: 0.5, y: 0, close }));
  for (const raise of [0.3, 0.8]) add('brows', (pose) => (pose.brows.raise = raise));
  add('brows', (pose) => (pose.brows.frown = 0.7));
  for (const [x, y, turn] of [[0.03, 0, 0], [-0.03, 0, 0], [0, 0.02, 0], [0, 0, 2], [0, 0, -2]] as const) {
    add('head', (pose) => (pose.head = { x, y, turn }));
  } // prettier-ignore
  add('head', (pose) => (pose.breath = 1));
  const life = new Life({ seed: 7 });
  for (let frame = 0; frame < 1000; frame++) {
    const pose = neutralFace();
    const speaking = frame > 500 ? 1 : 0;
    life.update(frame, speaking, speaking * Math.abs(Math.sin(frame / 4)), pose);
    if (frame % 100 === 50) list.push({ group: 'life', pose });
  }
  return values.only === undefined ? list : list.filter(({ group }) => group === values.only);
}

/** BT.709 limited range to RGB, chroma repeated. */
function toRgb(frame: I420Frame): Buffer {
  const rgb = Buffer.alloc(frame.width * frame.height * 3);
  const byte = (value: number) => Math.max(0, Math.min(255, Math.round(value)));
  for (let j = 0, p = 0; j < frame.height; j++) {
    for (let i = 0; i < frame.width; i++, p += 3) {
      const y = 1.16438 * ((frame.y[j * frame.strideY + i] ?? 0) - 16);
      const c = (j >> 1) * frame.strideUV + (i >> 1);
      const u = (frame.u[c] ?? 0) - 128;
      const v = (frame.v[c] ?? 0) - 128;
      rgb[p] = byte(y + 1.79274 * v);
      rgb[p + 1] = byte(y - 0.21325 * u - 0.53291 * v);
      rgb[p + 2] = byte(y + 2.1124 * u);
    }
  }
  return rgb;
}

async function strip(baked: BakedAvatar, engine: AvatarEngine, columns: number): Promise<void> {
  const { pictureWidth: width, pictureHeight: height } = baked;
  const frame: I420Frame = {
    width,
    height,
    strideY: width,
    strideUV: width / 2,
    y: new Uint8Array(width * height),
    u: new Uint8Array((width * height) / 4),
    v: new Uint8Array((width * height) / 4),
  };
  const [left = 0, top = 0, w = width, h = height] = values.crop?.split(',').map(Number) ?? [];
  const list = shots();
  const tiles = [];
  for (const [n, { pose }] of list.entries()) {
    engine.draw(pose, frame, n);
    const input = await sharp(toRgb(frame), { raw: { width, height, channels: 3 } })
      .extract({ left, top, width: w, height: h })
      .png()
      .toBuffer();
    tiles.push({ input, left: (n % columns) * w, top: Math.floor(n / columns) * h });
  }
  const size = { width: w * columns, height: h * Math.ceil(list.length / columns) };
  await sharp({ create: { ...size, channels: 3, background: 'black' } })
    .composite(tiles)
    .png()
    .toFile(values.out);
}

const [width = 1280, height = 720] = values.size.split('x').map(Number);
const source = await new Catalogue([values.avatars]).load(positionals[0] ?? 'presenter');
const begin = performance.now();
const baked = await bakeAvatar(source, { width, height, cacheDir: values.cache ?? null });
console.log(`${source.name}: ${Math.round(baked.bytes / 1e5) / 10} MB, ${Math.round(performance.now() - begin)} ms`);
for (const { name, count, rect } of baked.regions) console.log(name, count, JSON.stringify(rect));
await strip(baked, createEngine(baked), Number(values.columns));
