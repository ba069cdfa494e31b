import { beforeAll, describe, expect, it } from 'vitest';
import { bakeAvatar, type LoopSource } from '../../src/avatar/bake.js';
import type { BakedAvatar, BakedRegion } from '../../src/avatar/baked.js';
import { createEngine } from '../../src/avatar/engine.js';
import { CELL, MotionField } from '../../src/avatar/engine/field.js';
import { weightsAt, weightTable } from '../../src/avatar/engine/kernels.js';
import { type FacePose, type I420Frame, neutralFace } from '../../src/units.js';
import { syntheticAvatar } from '../support/synthetic-avatar.js';

const WIDTH = 640;
const HEIGHT = 360;

function frameOf(width = WIDTH, height = HEIGHT, pad = 0): I420Frame {
  return {
    ...{ width, height, strideY: width + pad, strideUV: width / 2 + pad },
    y: new Uint8Array((width + pad) * height).fill(1),
    u: new Uint8Array((width / 2 + pad) * (height / 2)).fill(1),
    v: new Uint8Array((width / 2 + pad) * (height / 2)).fill(1),
  };
}

function faceOf(change: (pose: FacePose) => void): FacePose {
  const pose = neutralFace();
  change(pose);
  return pose;
}

/** Sum of absolute differences of luma inside or outside a rectangle of the picture. */
function lumaDifference(a: I420Frame, b: I420Frame, inside: (x: number, y: number) => boolean): number {
  let sum = 0;
  for (let y = 0; y < a.height; y++) {
    for (let x = 0; x < a.width; x++) {
      if (inside(x, y)) sum += Math.abs((a.y[y * a.strideY + x] ?? 0) - (b.y[y * b.strideY + x] ?? 0));
    }
  }
  return sum;
}

const within =
  ({ rect }: BakedRegion) =>
  (x: number, y: number) =>
    x >= rect.x && y >= rect.y && x < rect.x + rect.width && y < rect.y + rect.height;

let baked: BakedAvatar;
const regionOf = (name: string) => baked.regions.find((region) => region.name === name) as BakedRegion;

beforeAll(async () => {
  baked = await bakeAvatar(syntheticAvatar(), { width: WIDTH, height: HEIGHT, cacheDir: null });
});

describe('createEngine', () => {
  it('draws the base for a neutral face that does not move', () => {
    const out = frameOf();
    createEngine(baked).draw(neutralFace(), out);
    expect(lumaDifference(out, baked.bases[0] as I420Frame, () => true)).toBe(0);
    const base = baked.bases[0] as I420Frame;
    for (let y = 0; y < HEIGHT / 2; y++) {
      const row = out.u.subarray(y * out.strideUV, y * out.strideUV + WIDTH / 2);
      expect(Buffer.compare(row, base.u.subarray(y * base.strideUV, y * base.strideUV + WIDTH / 2))).toBe(0);
    }
  });

  it('draws exactly the patch of a pose that there is a picture of, and nothing else', () => {
    const out = frameOf();
    const pose = faceOf(({ mouth }) => (mouth.open = 0.75));
    createEngine(baked).draw(pose, out);
    const mouth = regionOf('mouth');
    const { rect, patches, patchBytes } = mouth;
    for (let y = 0; y < rect.height; y++) {
      const from = 3 * patchBytes + y * rect.width;
      const at = (rect.y + y) * out.strideY + rect.x;
      expect(Buffer.compare(out.y.subarray(at, at + rect.width), patches.subarray(from, from + rect.width))).toBe(0);
    }
    expect(lumaDifference(out, baked.bases[0] as I420Frame, (x, y) => !within(mouth)(x, y))).toBe(0);
  });

  it('leaves no trace of an earlier pose', () => {
    const engine = createEngine(baked);
    const used = frameOf();
    for (let i = 0; i < 50; i++) {
      const pose = faceOf((face) => {
        face.mouth.open = (i * 0.37) % 1;
        face.eyes.close = (i * 0.23) % 1;
        face.brows.raise = (i * 0.31) % 1;
        face.head.x = 0.02 * Math.sin(i);
      });
      engine.draw(pose, used);
    }
    engine.draw(neutralFace(), used);
    const fresh = frameOf();
    createEngine(baked).draw(neutralFace(), fresh);
    expect(lumaDifference(used, fresh, () => true)).toBe(0);
  });

  it('adds up what eyes and brows change where their regions overlap', () => {
    const eyes = regionOf('eyes');
    const brows = regionOf('brows');
    const shared = (x: number, y: number) => within(eyes)(x, y) && within(brows)(x, y);
    const shut = frameOf();
    const both = frameOf();
    createEngine(baked).draw(
      faceOf((face) => (face.eyes.close = 1)),
      shut,
    );
    createEngine(baked).draw(faceOf((face) => { face.eyes.close = 1; face.brows.raise = 1; }), both); // prettier-ignore
    const base = baked.bases[0] as I420Frame;
    expect(lumaDifference(shut, base, (x, y) => within(eyes)(x, y) && !shared(x, y))).toBeGreaterThan(0);
    expect(lumaDifference(shut, both, (x, y) => within(eyes)(x, y) && !shared(x, y))).toBe(0);
    expect(lumaDifference(shut, both, shared)).toBeGreaterThan(0);
  });

  it('keeps the border of the picture still while head and chest move', () => {
    const out = frameOf();
    const pose = faceOf((face) => {
      face.head = { x: 0.05, y: 0.03, turn: 3 };
      face.breath = 1;
    });
    createEngine(baked).draw(pose, out);
    const border = (x: number, y: number) => x < CELL || y < CELL || x >= WIDTH - CELL || y >= HEIGHT - CELL;
    const base = baked.bases[0] as I420Frame;
    expect(lumaDifference(out, base, border)).toBe(0);
    expect(lumaDifference(out, base, () => true)).toBeGreaterThan(10_000);
  });

  it('samples where the field says', () => {
    const out = frameOf();
    const pose = faceOf((face) => {
      face.head = { x: 0.03, y: -0.02, turn: 2 };
      face.breath = 0.7;
    });
    createEngine(baked).draw(pose, out);
    const field = new MotionField(baked);
    field.update(pose);
    const base = baked.bases[0] as I420Frame;
    let worst = 0;
    for (let y = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) {
        const [dx, dy] = displacement(field, (x & ~7) + 4, y);
        if (dx === 0 && dy === 0) continue;
        worst = Math.max(worst, Math.abs(sampled(base, x - dx, y - dy) - (out.y[y * WIDTH + x] ?? 0)));
      }
    }
    expect(worst).toBeLessThanOrEqual(3);
  });

  it('stays inside the picture for poses that no face has', () => {
    const engine = createEngine(baked);
    const out = frameOf();
    for (const value of [1e9, -1e9, Number.NaN, Infinity]) {
      const pose = faceOf((face) => {
        face.head = { x: value, y: value, turn: value };
        face.breath = value;
        face.mouth.open = value;
        face.eyes = { x: value, y: value, close: value };
      });
      expect(() => engine.draw(pose, out)).not.toThrow();
    }
  });

  it('writes into a part of a larger picture', () => {
    const pose = faceOf((face) => (face.head.x = 0.02));
    const plain = frameOf();
    const padded = frameOf(WIDTH, HEIGHT, 24);
    createEngine(baked).draw(pose, plain);
    createEngine(baked).draw(pose, padded);
    expect(lumaDifference(plain, padded, () => true)).toBe(0);
    expect(padded.y[WIDTH]).toBe(1);
    expect(padded.y[padded.strideY - 1]).toBe(1);
  });

  it('refuses a picture of another size', () => {
    expect(() => createEngine(baked).draw(neutralFace(), frameOf(320, 180))).toThrow(RangeError);
  });

  it('shows the pictures of a loop in turn, with the mouth on each', async () => {
    const still = syntheticAvatar();
    const source: LoopSource = {
      ...still,
      idle: { count: 4, crossfadeFrames: 0 },
      drawIdle: async (index, view, width, height) => {
        const picture = await still.drawBase(view, width, height);
        for (let i = 0; i < picture.data.length; i++) picture.data[i] = (picture.data[i] ?? 0) >> (index > 0 ? 1 : 0);
        return picture;
      },
    };
    const loop = await bakeAvatar(source, { width: WIDTH, height: HEIGHT, cacheDir: null });
    expect(loop.bases).toHaveLength(4);
    const engine = createEngine(loop);
    const out = frameOf();
    const base = (n: number) => loop.bases[n] as I420Frame;
    for (const n of [0, 1, 2, 3, 4, 5]) {
      engine.draw(neutralFace(), out);
      expect(lumaDifference(out, base(n % 4), () => true)).toBe(0);
    }
    const mouth = loop.regions.find(({ name }) => name === 'mouth') as BakedRegion;
    engine.draw(
      faceOf((face) => (face.mouth.open = 1)),
      out,
      1,
    );
    expect(lumaDifference(out, base(1), within(mouth))).toBeGreaterThan(0);
    expect(lumaDifference(out, base(1), (x, y) => !within(mouth)(x, y))).toBe(0);
  });
});

describe('weightTable', () => {
  it('adds up exactly and keeps detail alike at every fraction', () => {
    const table = weightTable();
    for (let i = 0; i < 64; i++) {
      const across = [...table.subarray(4 * i, 4 * i + 4)];
      const down = [...table.subarray(256 + 4 * i, 260 + 4 * i)];
      expect(across.reduce((a, b) => a + b)).toBe(32_768);
      expect(down.reduce((a, b) => a + b)).toBe(64);
      // A wave of four pixels, at −1, 0, 1, 2.
      const [a = 0, b = 0, c = 0, d = 0] = across.map((weight) => weight / 32_768);
      expect(Math.hypot(b - d, c - a)).toBeCloseTo(0.93, 2);
      // A ramp stays a ramp.
      expect(-a + c + 2 * d).toBeCloseTo(i / 64, 3);
    }
  });
});

function displacement(field: MotionField, x: number, y: number): [number, number] {
  const column = Math.floor(x / CELL);
  const row = Math.floor(y / CELL);
  const fx = x / CELL - column;
  const fy = y / CELL - row;
  const at = (plane: Int32Array) => {
    const n = row * field.columns + column;
    const node = (i: number) => (plane[i] ?? 0) / 65_536;
    const top = node(n) * (1 - fx) + node(n + 1) * fx;
    return top * (1 - fy) + (node(n + field.columns) * (1 - fx) + node(n + field.columns + 1) * fx) * fy;
  };
  return [at(field.dx), at(field.dy)];
}

function sampled(frame: I420Frame, x: number, y: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const across = weightsAt(x - x0);
  let sum = 0;
  for (const [j, down] of weightsAt(y - y0).entries()) {
    for (const [i, weight] of across.entries()) {
      sum += (frame.y[(y0 + j - 1) * frame.strideY + x0 + i - 1] ?? 0) * down * weight;
    }
  }
  return sum;
}
