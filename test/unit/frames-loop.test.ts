import { expect, test } from 'vitest';
import { FrameLoop, type FrameLoopOptions } from '../../src/frames/frame-loop.js';
import { FRAME_MS } from '../../src/units.js';

/** A clock and its timers, moved by hand. */
class Time {
  now = 1000;
  armed = 0;
  #timer: { callback: () => void; at: number } | null = null;

  readonly timers = {
    set: (callback: () => void, delayMs: number): unknown => {
      if (this.#timer) throw new Error('two timers');
      this.armed += 1;
      this.#timer = { callback, at: this.now + delayMs };
      return this.#timer;
    },
    clear: (handle: unknown): void => {
      if (handle === this.#timer) this.#timer = null;
    },
  };

  get pending(): boolean {
    return this.#timer !== null;
  }

  /** Lets the armed timer fire, `lateMs` after it should. Whether there was one. */
  fire(lateMs = 0): boolean {
    const timer = this.#timer;
    if (!timer) return false;
    this.#timer = null;
    this.now = Math.max(this.now, timer.at + lateMs);
    timer.callback();
    return true;
  }
}

type Tick = [n: number, draw: boolean, at: number];

function setup(options: Partial<FrameLoopOptions> & { cost?: (n: number, draw: boolean) => number } = {}): {
  time: Time;
  loop: FrameLoop;
  ticks: Tick[];
} {
  const time = new Time();
  const ticks: Tick[] = [];
  const loop = new FrameLoop({
    clock: () => time.now,
    timers: time.timers,
    onTick: (n, draw) => {
      ticks.push([n, draw, time.now]);
      time.now += options.cost?.(n, draw) ?? 0;
    },
    ...options,
  });
  return { time, loop, ticks };
}

test('keeps an absolute schedule: late timers do not add up', () => {
  const { time, loop, ticks } = setup({ cost: () => 7 });
  const origin = loop.start();
  for (let i = 0; i < 1000; i++) time.fire(i % 5);
  expect(ticks.length).toBeGreaterThan(900);
  for (const [n, draw, at] of ticks) {
    expect(draw).toBe(true);
    const lateness = at - (origin + n * FRAME_MS);
    expect(lateness).toBeGreaterThanOrEqual(-1);
    expect(lateness).toBeLessThan(5);
    expect(loop.dueMs(n)).toBe(origin + n * FRAME_MS);
  }
  expect(ticks.map(([n]) => n)).toEqual([...ticks.keys()]);
  const { fps, skipped, processingMs } = loop.stats();
  expect(fps).toBeCloseTo(25, 0);
  expect(skipped).toBe(0);
  expect(processingMs).toEqual({ mean: 7, p50: 7, p99: 7, max: 7 });
});

test('more than a period late, pictures are skipped and no n is', () => {
  const { time, loop, ticks } = setup();
  loop.start();
  for (let i = 0; i < 5; i++) time.fire();
  time.fire(130);
  while (ticks.length < 15) time.fire();
  expect(ticks.map(([n]) => n)).toEqual([...ticks.keys()]);
  expect(ticks.filter(([, draw]) => !draw).map(([n]) => n)).toEqual([5, 6, 7]);
  expect(loop.stats().skipped).toBe(3);
  expect(ticks[8]?.[2]).toBe(ticks[5]?.[2]);
});

test('steady overload: every n once, in order, as many pictures as fit, and the event loop has its turns', () => {
  const { time, loop, ticks } = setup({ cost: (_, draw) => (draw ? 60 : 1) });
  const origin = loop.start();
  while (ticks.length < 300) time.fire();
  expect(ticks.map(([n]) => n)).toEqual([...ticks.keys()]);
  const last = ticks.at(-1);
  expect((last?.[2] ?? 0) - origin - 299 * FRAME_MS).toBeLessThan(2 * FRAME_MS + 60);
  const drawn = ticks.filter(([, draw]) => draw).length;
  expect(drawn).toBeGreaterThan(180);
  expect(time.armed).toBeGreaterThanOrEqual(drawn);
  expect(loop.stats().fps).toBeCloseTo((drawn / 300) * 25, 0);
});

test('after a long stall the schedule moves, instead of hundreds of ticks', () => {
  const stalls: number[] = [];
  const { time, loop, ticks } = setup({ onStall: (ms) => stalls.push(ms) });
  loop.start();
  for (let i = 0; i < 10; i++) time.fire();
  const before = ticks.length;
  time.fire(60_000);
  expect(ticks.length).toBe(before + 1);
  expect(stalls).toEqual([60_000]);
  expect(ticks.at(-1)?.[1]).toBe(true);
  for (let i = 0; i < 10; i++) time.fire();
  expect(ticks.map(([n]) => n)).toEqual([...ticks.keys()]);
  expect(ticks.every(([n, draw, at]) => draw && (n < 10 || at === loop.dueMs(n)))).toBe(true);
  expect(loop.stats().stalls).toBe(1);
});

test('asynchronous ticks never overlap, and what was missed meanwhile follows', async () => {
  let running = 0;
  const seen: [number, boolean][] = [];
  const releases: (() => void)[] = [];
  const { time, loop } = setup({
    onTick: async (n, draw) => {
      expect(++running).toBe(1);
      seen.push([n, draw]);
      await new Promise<void>((resolve) => releases.push(resolve));
      running -= 1;
    },
  });
  loop.start();
  time.fire();
  expect(time.pending).toBe(false);
  time.now += 130; // frame 1 was due at 40, 2 at 80, 3 at 120
  for (let i = 0; i < 4; i++) {
    releases.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    time.fire();
  }
  expect(seen).toEqual([
    [0, true],
    [1, false],
    [2, false],
    [3, true],
    [4, true],
  ]);
  expect(loop.stats().processingMs.max).toBe(130);
});

test('an error in a tick is counted and told, and the loop goes on', async () => {
  const errors: unknown[] = [];
  let mode: 'throw' | 'reject' | 'ok' = 'throw';
  const { time, loop } = setup({
    onTick: () => {
      if (mode === 'throw') throw new Error('sync');
      return mode === 'reject' ? Promise.reject(new Error('async')) : undefined;
    },
    onError: (error) => errors.push(error),
  });
  loop.start();
  time.fire();
  mode = 'reject';
  time.fire();
  await new Promise((resolve) => setImmediate(resolve));
  mode = 'ok';
  time.fire();
  expect(errors).toEqual([new Error('sync'), new Error('async')]);
  expect(loop.stats()).toMatchObject({ errors: 2, ticks: 3 });
  expect(time.pending).toBe(true);
});

test('closed, nothing is armed and nothing ticks; also from inside a tick', () => {
  const outside = setup();
  outside.loop.start();
  outside.time.fire();
  outside.loop.close();
  outside.loop.close();
  expect(outside.time.pending).toBe(false);

  const inside = setup({
    onTick: (n) => {
      if (n === 3) inside.loop.close();
    },
  });
  inside.loop.start();
  while (inside.time.fire());
  expect(inside.loop.stats().ticks).toBe(4);
  expect(() => inside.loop.start()).toThrow(RangeError);
});

test('on real timers it holds 25 pictures a second', async () => {
  const at: number[] = [];
  let loop: FrameLoop | undefined;
  let origin = 0;
  await new Promise<void>((resolve) => {
    loop = new FrameLoop({
      onTick: (n) => {
        at.push(performance.now() - origin - n * FRAME_MS);
        if (n === 25) resolve();
      },
    });
    origin = loop.start();
  });
  loop?.close();
  expect(at.length).toBe(26);
  expect(Math.min(...at)).toBeGreaterThanOrEqual(-1.5);
});
