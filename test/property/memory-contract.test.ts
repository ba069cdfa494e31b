import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  avatarMb,
  divideMemory,
  expectedMemory,
  fitsStage,
  neededMemory,
  sessionMb,
  sessionsThatFit,
  stagesThatFit,
} from '../../src/guard/memory-contract.js';
import { MEMORY_CONSTANTS } from '../../src/guard/memory-constants.js';

const even = (most: number) => fc.integer({ min: 32, max: most / 2 }).map((half) => 2 * half);
const size = fc.record({ width: even(3840), height: even(2160) });
const stages = fc.integer({ min: 1, max: 16 });
const softShare = fc.double({ min: 0.3, max: 0.95, noNaN: true });
const MB = 1e6;

describe('the division of memory', () => {
  it('gives every process what it needs, and all together no more than the limit', () => {
    fc.assert(
      fc.property(stages, size, softShare, fc.double({ min: 1.0001, max: 40, noNaN: true }), (k, one, soft, times) => {
        const limit = neededMemory(k, one, soft).totalMb * times * MB;
        const parts = divideMemory(limit, { stages: k, size: one, softShare: soft, imageCacheMb: 200 });
        const sum = parts.controlBytes + k * parts.stageBytes + parts.mediaBytes + parts.bakeBytes;
        expect(sum).toBeLessThanOrEqual(limit);
        expect(fitsStage([one], parts.stageBytes + 10, soft)).toBe(true);
        const { controlMb, voicesMb, otherVoicesMb } = MEMORY_CONSTANTS;
        expect(parts.controlBytes * soft).toBeGreaterThan((controlMb + voicesMb + otherVoicesMb) * MB);
        expect(parts.mediaBytes).toBeGreaterThanOrEqual(Math.floor(MEMORY_CONSTANTS.mediaMb * MB));
        expect(parts.imageCacheBytes).toBeLessThanOrEqual(200 * MB);
        expect(parts.imageCacheBytes).toBeLessThanOrEqual(parts.stageBytes * soft);
      }),
    );
  });

  it('is refused under the need, with every item of it', () => {
    fc.assert(
      fc.property(stages, size, softShare, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (k, one, soft, part) => {
        const need = neededMemory(k, one, soft);
        const limit = need.totalMb * part * MB;
        expect(() => divideMemory(limit, { stages: k, size: one, softShare: soft, imageCacheMb: 200 })).toThrow(
          expect.objectContaining({
            code: 'config_invalid',
            message: expect.stringContaining(`needs ${Math.ceil(need.totalMb)} MB`) as string,
          }),
        );
      }),
    );
    try {
      divideMemory(100 * MB, { stages: 2, size: { width: 1280, height: 720 }, softShare: 0.8, imageCacheMb: 0 });
      expect.unreachable();
    } catch (error) {
      for (const { what } of neededMemory(2, { width: 1280, height: 720 }, 0.8).items) {
        expect((error as Error).message).toContain(what);
      }
    }
  });

  it('lets exactly as many sessions in as fit each stage', () => {
    fc.assert(
      fc.property(stages, size, fc.double({ min: 1.01, max: 12, noNaN: true }), (k, one, times) => {
        const limit = neededMemory(k, one, 0.8).totalMb * times * MB;
        const parts = divideMemory(limit, { stages: k, size: one, softShare: 0.8, imageCacheMb: 200 });
        const fit = sessionsThatFit(parts, k, one, 0.8);
        expect(fit).toBeGreaterThanOrEqual(k);
        const fullest = Math.ceil(fit / k);
        expect(
          fitsStage(
            Array.from({ length: fullest }, () => one),
            parts.stageBytes + 10,
            0.8,
          ),
        ).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('takes as many stages as the limit bears', () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 20_000 }), size, stages, (limitMb, one, most) => {
        const count = stagesThatFit(limitMb * MB, one, 0.8, most);
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(most);
        if (count > 1) expect(neededMemory(count, one, 0.8).totalMb).toBeLessThanOrEqual(limitMb);
        if (count < most) expect(neededMemory(count + 1, one, 0.8).totalMb).toBeGreaterThan(limitMb);
      }),
    );
  });
});

describe('expected memory', () => {
  it('is the sum of its items, process by process, and grows with everything', () => {
    fc.assert(
      fc.property(
        stages,
        fc.array(size, { maxLength: 20 }),
        fc.integer({ min: 0, max: 50 }),
        (k, sessions, viewers) => {
          const demand = { stages: k, sessions, viewersPerSession: viewers };
          const now = expectedMemory(demand);
          expect(now.processes).toHaveLength(k + 1);
          expect(now.totalMb).toBeCloseTo(
            now.items.reduce((sum, { mb }) => sum + mb, 0),
            6,
          );
          const more = expectedMemory({ ...demand, sessions: [...sessions, { width: 640, height: 360 }] });
          expect(more.totalMb).toBeGreaterThan(now.totalMb);
          expect(expectedMemory({ ...demand, viewersPerSession: viewers + 1 }).totalMb).toBeGreaterThanOrEqual(
            now.totalMb,
          );
        },
      ),
    );
  });

  it('counts an avatar once for all sessions of a stage that show it at one size', () => {
    const one = { width: 1280, height: 720 };
    const of = (count: number) =>
      expectedMemory({ stages: 1, sessions: Array.from({ length: count }, () => one), viewersPerSession: 0 }).totalMb;
    expect(of(3) - of(2)).toBeCloseTo(sessionMb(one) + MEMORY_CONSTANTS.controlSessionMb, 6);
    expect(of(1) - of(0)).toBeGreaterThan(sessionMb(one) + avatarMb(one));
  });
});
