import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PATCHES, PoseMixer, WEIGHT_ONE } from '../../src/avatar/engine/mixer.js';

const DIMS = 7;
const part = fc.double({ min: 0, max: 1, noNaN: true });
const point = fc.array(part, { minLength: DIMS, maxLength: DIMS });
const poseSet = fc.array(point, { minLength: 1, maxLength: 40 });

const mixerOf = (poses: number[][]) => new PoseMixer('mouth', Float32Array.from(poses.flat()), DIMS);

/** Weight by pose, as far as any. */
function weightsAt(mixer: PoseMixer, at: ArrayLike<number>, count: number): number[] {
  mixer.mix(at);
  const all = new Array<number>(count).fill(0);
  for (let k = 0; k < MAX_PATCHES; k++) {
    const index = mixer.indices[k] ?? 0;
    all[index] = (all[index] ?? 0) + (mixer.weights[k] ?? 0);
  }
  return all;
}

describe('PoseMixer', () => {
  it('gives weights that are not negative and add up exactly', () => {
    fc.assert(
      fc.property(poseSet, fc.array(fc.double(), { minLength: DIMS, maxLength: DIMS }), (poses, at) => {
        const mixer = mixerOf(poses);
        mixer.mix(at);
        const weights = [...mixer.weights];
        expect(weights.every((weight) => weight >= 0)).toBe(true);
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(WEIGHT_ONE);
        expect([...mixer.indices].every((index) => index >= 0 && index < poses.length)).toBe(true);
        expect(weights.slice(mixer.count).every((weight) => weight === 0)).toBe(true);
      }),
    );
  });

  it('takes a pose of which there is a picture alone', () => {
    fc.assert(
      fc.property(poseSet, fc.nat(), (poses, n) => {
        const mixer = mixerOf(poses);
        mixer.mix(Float32Array.from(poses[n % poses.length] ?? []));
        expect(mixer.count).toBe(1);
      }),
    );
  });

  it('changes weights a little when the pose changes a little', () => {
    // Where five and more poses are equally far a small step may choose others; random poses hardly ever are.
    const spread = fc
      .array(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: DIMS, maxLength: DIMS }), {
        minLength: 12,
        maxLength: 30,
      })
      .map((poses) => poses.map((pose) => pose.map((value) => value / 1000)));
    let steps = 0;
    let jumps = 0;
    fc.assert(
      fc.property(spread, point, point, (poses, from, to) => {
        const mixer = mixerOf(poses);
        let before: number[] | null = null;
        for (let i = 0; i <= 500; i++) {
          const at = from.map((value, d) => value + (((to[d] ?? 0) - value) * i) / 500);
          const now = weightsAt(mixer, at, poses.length);
          if (before) {
            steps++;
            if (now.some((weight, k) => Math.abs(weight - (before?.[k] ?? 0)) > WEIGHT_ONE / 6)) jumps++;
          }
          before = now;
        }
      }),
      { numRuns: 40, seed: 1 },
    );
    expect(jumps / steps).toBeLessThan(0.001);
  });

  it('says whether anything changed', () => {
    const mixer = mixerOf([new Array<number>(DIMS).fill(0), new Array<number>(DIMS).fill(1)]);
    expect(mixer.mix(new Array<number>(DIMS).fill(0.3))).toBe(true);
    expect(mixer.mix(new Array<number>(DIMS).fill(0.3))).toBe(false);
    expect(mixer.mix(new Array<number>(DIMS).fill(0.4))).toBe(true);
  });

  it('never mixes two gazes where each has its own lids', () => {
    const poses = [-1, 0, 1].flatMap((x) => [0, 0.5, 1].map((close) => [x, 0, close]));
    const mixer = new PoseMixer('eyes', Float32Array.from(poses.flat()), 3);
    const unit = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(unit, unit, part, (x, y, close) => {
        mixer.mix([x, y, close]);
        const gazes = new Set([...mixer.indices].slice(0, mixer.count).map((index) => poses[index]?.[0]));
        expect(gazes.size).toBe(1);
      }),
    );
  });

  it('shuts the eyes wherever they look, with lids for one gaze only', () => {
    const poses = [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 0.5], [0, 0, 1]]; // prettier-ignore
    const mixer = new PoseMixer('eyes', Float32Array.from(poses.flat()), 3);
    for (const x of [-1, -0.5, 0, 0.6, 1]) {
      const weights = weightsAt(mixer, [x, 0, 1], poses.length);
      expect(weights[4]).toBeGreaterThan(0.8 * WEIGHT_ONE);
    }
  });
});
