import { expect, test } from 'vitest';
import { FramePool, type PooledFrame } from '../../src/frames/frame-pool.js';
import { ShapeBuffers } from '../../src/frames/shape-buffers.js';

function take(pool: FramePool): PooledFrame {
  const frame = pool.acquire();
  if (frame === null) throw new Error('empty');
  return frame;
}

test('hands out what it has, then counts misses', () => {
  const pool = new FramePool({ width: 64, height: 32, size: 2 });
  const [a, b] = [take(pool), take(pool)];
  expect(a).not.toBe(b);
  expect(pool.acquire()).toBeNull();
  expect(pool.acquire()).toBeNull();
  expect(pool.stats()).toMatchObject({ size: 2, free: 0, outstanding: 2, misses: 2 });
  expect(pool.stats().bytes).toBeGreaterThanOrEqual(2 * 64 * 32 * 1.5);
  pool.release(a);
  expect(take(pool)).toBe(a);
  pool.release(b);
  pool.release(a);
  expect(pool.stats()).toMatchObject({ free: 2, outstanding: 0 });
  pool.close();
});

test('refuses a frame twice, and one of another pool', () => {
  const pool = new FramePool({ width: 64, height: 32 });
  const other = new FramePool({ width: 64, height: 32 });
  expect(pool.stats().size).toBe(5);
  const frame = take(pool);
  pool.release(frame);
  expect(() => {
    pool.release(frame);
  }).toThrow(RangeError);
  const foreign = take(other);
  expect(() => {
    pool.release(foreign);
  }).toThrow(RangeError);
  other.release(foreign);
  pool.close();
  other.close();
});

test('closing frees all, what is out only when it comes back', () => {
  const pool = new FramePool({ width: 64, height: 32, size: 3 });
  const frame = take(pool);
  pool.close();
  pool.close();
  expect(pool.acquire()).toBeNull();
  expect(frame.y.length).toBeGreaterThan(0);
  expect(pool.stats()).toMatchObject({ free: 0, outstanding: 1 });
  pool.release(frame);
  expect(frame.y.length).toBe(0);
  expect(pool.stats()).toMatchObject({ outstanding: 0, bytes: 0 });
  expect(() => {
    pool.release(frame);
  }).toThrow(RangeError);
});

test('a frame starts black and its planes are rows × stride', () => {
  const pool = new FramePool({ width: 854, height: 480, size: 1 });
  const frame = take(pool);
  expect(frame.y.length).toBe(frame.strideY * 480);
  expect(frame.u.length).toBe(frame.strideUV * 240);
  expect([frame.y[0], frame.u[0], frame.v[0]]).toEqual([16, 128, 128]);
  pool.release(frame);
  pool.close();
});

test.each([
  [63, 32],
  [64, 0],
  [64, 31],
  [Number.NaN, 32],
])('there is no picture of %s×%s', (width, height) => {
  expect(() => new FramePool({ width, height })).toThrow(RangeError);
});

test('shape buffers: the three most recently used stay', () => {
  const buffers = new ShapeBuffers();
  const a = buffers.get('x', 16, 16);
  const b = buffers.get('x', 32, 16);
  buffers.get('y', 16, 16);
  expect(buffers.get('x', 16, 16)).toBe(a);
  buffers.get('x', 64, 16);
  expect(buffers.stats()).toMatchObject({ shapes: 3, allocations: 4 });
  expect(b.y.length).toBe(0);
  expect(buffers.get('x', 16, 16)).toBe(a);
  expect(a.y.length).toBeGreaterThan(0);
  const freed = buffers.stats().bytes;
  expect(buffers.trim()).toBe(freed);
  expect(buffers.stats()).toMatchObject({ shapes: 0, bytes: 0 });
  buffers.close();
});

test('changes its number of frames, also while one is out', () => {
  const pool = new FramePool({ width: 64, height: 32, size: 2 });
  const each = pool.stats().bytes / 2;
  const out = [take(pool), take(pool)];
  pool.resize(4);
  expect(pool.stats()).toMatchObject({ size: 4, free: 2, outstanding: 2, bytes: 4 * each });
  pool.resize(1);
  expect(pool.stats()).toMatchObject({ size: 1, free: 0, outstanding: 2 });
  expect(pool.acquire()).toBeNull();
  for (const frame of out) pool.release(frame);
  expect(pool.stats()).toMatchObject({ size: 1, free: 1, outstanding: 0, bytes: each });
  expect(() => pool.resize(0)).toThrow(RangeError);
  pool.release(take(pool));
  pool.close();
  pool.resize(3);
  expect(pool.stats().bytes).toBe(0);
});
