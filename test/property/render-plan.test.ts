import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameGrid } from '../../src/render/frame-grid.js';
import { planRender } from '../../src/render/plan.js';

const clips = fc.array(
  fc.record({
    lengthSamples: fc.integer({ min: 1, max: 3_000_000 }),
    gapSamples: fc.integer({ min: 0, max: 200_000 }),
  }),
  { minLength: 1, maxLength: 60 },
);
const split = fc.option(fc.record({ everySamples: fc.integer({ min: 48_000, max: 5_000_000 }), exact: fc.boolean() }));

test('parts follow each other and hold every sample of every clip once', () => {
  fc.assert(
    fc.property(clips, split, (lengths, rule) => {
      const plan = planRender(lengths, rule);
      const gaps = lengths.slice(0, -1).reduce((sum, { gapSamples }) => sum + gapSamples, 0);
      const sound = lengths.reduce((sum, { lengthSamples }) => sum + lengthSamples, 0);
      expect(plan.totalSamples).toBe(sound + gaps);
      let at = 0;
      for (const [i, part] of plan.parts.entries()) {
        expect(part.number).toBe(i + 1);
        expect(part.startSample).toBe(at);
        expect(part.endSample).toBeGreaterThan(part.startSample);
        at = part.endSample;
      }
      expect(at).toBe(plan.totalSamples);
      const covered = plan.parts.reduce(
        (sum, part) =>
          sum +
          plan.clips.reduce((inside, { startSample, lengthSamples }) => {
            const from = Math.max(startSample, part.startSample);
            const to = Math.min(startSample + lengthSamples, part.endSample);
            return inside + Math.max(0, to - from);
          }, 0),
        0,
      );
      expect(covered).toBe(sound);
    }),
  );
});

test('cuts lie at the beginning of a clip, and no part is longer than asked unless it is one clip', () => {
  fc.assert(
    fc.property(clips, fc.integer({ min: 48_000, max: 5_000_000 }), (lengths, everySamples) => {
      const { parts, clips: placed } = planRender(lengths, { everySamples, exact: false });
      const starts = new Set(placed.map(({ startSample }) => startSample));
      for (const { startSample, endSample } of parts) {
        expect(starts.has(startSample)).toBe(true);
        const inside = placed.filter((clip) => clip.startSample >= startSample && clip.startSample < endSample);
        const last = inside.at(-1)!;
        const soundEnd = last.startSample + last.lengthSamples;
        if (inside.length > 1) expect(soundEnd - startSample).toBeLessThanOrEqual(everySamples);
      }
    }),
  );
});

test('exact parts are all as long as asked, but the last', () => {
  fc.assert(
    fc.property(clips, fc.integer({ min: 48_000, max: 5_000_000 }), (lengths, everySamples) => {
      const { parts } = planRender(lengths, { everySamples, exact: true });
      for (const { startSample, endSample } of parts.slice(0, -1)) expect(endSample - startSample).toBe(everySamples);
      const last = parts.at(-1)!;
      expect(last.endSample - last.startSample).toBeLessThanOrEqual(everySamples);
    }),
  );
});

test('pictures fill a part to the sample, each at most half a picture off its place', () => {
  const rates = fc.constantFrom(
    { num: 25, den: 1 },
    { num: 30_000, den: 1001 },
    { num: 24, den: 1 },
    { num: 60, den: 1 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40_000_000 }), rates, fc.nat(), (length, rate, seed) => {
      const grid = new FrameGrid(length, rate);
      const frame = (48_000 * rate.den) / rate.num;
      expect(grid.startOf(0)).toBe(0);
      expect(grid.startOf(grid.count)).toBe(length);
      const n = seed % grid.count;
      expect(Math.abs(grid.startOf(n) - n * frame)).toBeLessThanOrEqual(0.5);
      expect(grid.durationOf(n)).toBeGreaterThan(0);
      if (grid.count > 1) expect(grid.durationOf(grid.count - 1)).toBeGreaterThanOrEqual(Math.floor(frame / 2) - 1);
      expect(grid.durationOf(grid.count - 1)).toBeLessThanOrEqual(1.5 * frame + 1);
      const sample = seed % length;
      const shown = grid.firstAt(sample);
      if (shown < grid.count) expect(Math.abs(shown * frame - sample)).toBeLessThanOrEqual(frame / 2 + 1);
    }),
  );
});
