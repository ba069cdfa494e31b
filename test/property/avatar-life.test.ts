import { describe, expect, it } from 'vitest';
import { Life } from '../../src/avatar/life.js';
import { FRAME_RATE, neutralFace } from '../../src/units.js';

const HOUR = 3600 * FRAME_RATE;

/** Lives for some frames and gives each to a visitor. `speaking` has pauses, its energy the rhythm of syllables. */
function live(seed: number, frames: number, speaks: boolean, visit: (pose: ReturnType<typeof neutralFace>) => void) {
  const life = new Life({ seed });
  const pose = neutralFace();
  for (let frame = 0; frame < frames; frame++) {
    const speaking = speaks && frame % 500 > 120 ? 1 : 0;
    life.update(frame, speaking, speaking * Math.abs(Math.sin(frame / 2.7) * Math.sin(frame / 31)), pose);
    visit(pose);
  }
}

describe.each([
  ['idle', false],
  ['speaking', true],
])('an hour of life, %s', (_, speaks) => {
  it('blinks every 1–8 s, about one in seven twice, and always shuts the eyes', () => {
    const starts: number[] = [];
    let before = 0;
    let peak = 0;
    let n = 0;
    const peaks: number[] = [];
    live(11, HOUR, speaks, ({ eyes }) => {
      if (eyes.close > 0 && before === 0) starts.push(n);
      peak = Math.max(peak, eyes.close);
      if (eyes.close === 0 && before > 0) {
        peaks.push(peak);
        peak = 0;
      }
      before = eyes.close;
      n++;
    });
    const gaps = starts.slice(1).map((start, i) => ((start - (starts[i] ?? 0)) * 1000) / FRAME_RATE);
    const double = gaps.filter((gap) => gap < 500);
    const single = gaps.filter((gap) => gap >= 500);
    expect(Math.min(...peaks)).toBeGreaterThan(0.9);
    expect(Math.max(...peaks)).toBeLessThanOrEqual(1);
    expect(Math.min(...single)).toBeGreaterThanOrEqual(960);
    expect(Math.max(...single)).toBeLessThanOrEqual(8500);
    expect(double.length / starts.length).toBeGreaterThan(0.08);
    expect(double.length / starts.length).toBeLessThan(0.2);
    const sorted = single.sort((a, b) => a - b);
    expect(sorted[sorted.length >> 1]).toBeLessThan(4000);
  });

  it('looks at the viewer most of the time and moves its eyes within 200 ms', () => {
    let contact = 0;
    let moving = 0;
    let longest = 0;
    let furthest = 0;
    let last = { x: 0, y: 0 };
    live(12, HOUR, speaks, ({ eyes }) => {
      if (eyes.x === 0 && eyes.y === 0) contact++;
      moving = eyes.x !== last.x || eyes.y !== last.y ? moving + 1 : 0;
      longest = Math.max(longest, moving);
      furthest = Math.max(furthest, Math.abs(eyes.x), Math.abs(eyes.y));
      last = { x: eyes.x, y: eyes.y };
    });
    expect(furthest).toBeLessThanOrEqual(1);
    expect(contact / HOUR).toBeGreaterThan(0.7);
    expect(contact / HOUR).toBeLessThan(0.97);
    expect((longest * 1000) / FRAME_RATE).toBeLessThanOrEqual(200);
  });

  it('moves head, brows and breath without a jump and within bounds', () => {
    // Checked once at the end: an hour has too many frames to check each.
    const far = { x: 0, y: 0, turn: 0 };
    const step = { x: 0, y: 0, turn: 0, breath: 0, raise: 0 };
    let last: { x: number; y: number; turn: number; breath: number; raise: number } | null = null;
    live(13, HOUR, speaks, ({ head, brows, breath }) => {
      const now = { ...head, breath, raise: brows.raise };
      for (const name of ['x', 'y', 'turn'] as const) far[name] = Math.max(far[name], Math.abs(now[name]));
      for (const name of ['x', 'y', 'turn', 'breath', 'raise'] as const) {
        if (last) step[name] = Math.max(step[name], Math.abs(now[name] - last[name]));
      }
      last = now;
    });
    expect(far.x).toBeLessThan(0.05);
    expect(far.y).toBeLessThan(0.05);
    expect(far.turn).toBeLessThan(4);
    expect(far.turn).toBeGreaterThan(0.5);
    expect(step.x).toBeLessThan(0.003);
    expect(step.y).toBeLessThan(0.004);
    expect(step.turn).toBeLessThan(0.2);
    expect(step.breath).toBeLessThan(0.06);
    expect(step.raise).toBeLessThan(0.2);
  });

  it('breathes about 18 times a minute', () => {
    let breaths = 0;
    let rising = false;
    let last = 0;
    live(14, HOUR, speaks, ({ breath }) => {
      if (breath > last && !rising) breaths++;
      rising = breath > last;
      last = breath;
    });
    expect(breaths / 60).toBeGreaterThan(15);
    expect(breaths / 60).toBeLessThan(21);
  });
});

describe('Life', () => {
  it('lives the same life for the same seed, another for another', () => {
    const lives = [5, 5, 6].map((seed) => {
      const seen: number[] = [];
      live(seed, 2000, true, ({ eyes, head, brows }) => seen.push(eyes.close, eyes.x, head.x, head.turn, brows.raise));
      return seen;
    });
    expect(lives[0]).toEqual(lives[1]);
    expect(lives[0]).not.toEqual(lives[2]);
  });

  it('lives through frames that were left out', () => {
    const whole = new Life({ seed: 3 });
    const gaps = new Life({ seed: 3 });
    const a = neutralFace();
    const b = neutralFace();
    gaps.update(0, 0, 0, b);
    for (let frame = 0; frame <= 70; frame++) whole.update(frame, 0, 0, a);
    for (const frame of [10, 11, 40, 40, 70]) gaps.update(frame, 0, 0, b);
    expect(b).toEqual(a);
  });

  it('moves more, raises brows and nods while it speaks', () => {
    const spread = (speaks: boolean) => {
      let sum = 0;
      let raised = 0;
      live(9, 20_000, speaks, ({ head, brows }) => {
        sum += Math.abs(head.turn);
        raised = Math.max(raised, brows.raise);
      });
      return { sum, raised };
    };
    const idle = spread(false);
    const speaking = spread(true);
    expect(speaking.sum).toBeGreaterThan(idle.sum * 1.15);
    expect(idle.raised).toBe(0);
    expect(speaking.raised).toBeGreaterThan(0.2);
  });

  it('leaves the mouth alone and holds the head still when asked to', () => {
    const life = new Life({ seed: 1, movement: 0 });
    const pose = neutralFace();
    pose.mouth.open = 0.4;
    for (let frame = 0; frame < 500; frame++) life.update(frame, 1, Math.abs(Math.sin(frame)), pose);
    expect(pose.mouth.open).toBe(0.4);
    expect(Math.hypot(pose.head.x, pose.head.y, pose.head.turn)).toBe(0);
  });
});
