import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  avatarMb,
  controlItems,
  expectedMemory,
  sessionMb,
  stageItems,
  sumMb,
  type PictureSize,
} from '../../src/guard/memory-account.js';
import { MEMORY_CONSTANTS } from '../../src/guard/memory-constants.js';
import { fitsStage, memoryContract, sessionsThatFit } from '../../src/guard/memory-contract.js';
import {
  bakeAppetite,
  divideMemory,
  neededMemory,
  stagesThatFit,
  type DivisionWish,
} from '../../src/guard/memory-division.js';
import { MemoryLoans } from '../../src/guard/memory-loans.js';
import { loadPreset, presetNames } from '../../src/config/load.js';
import { ConfigSchema } from '../../src/config/schema.js';

const even = (most: number) => fc.integer({ min: 32, max: most / 2 }).map((half) => 2 * half);
const size = fc.record({ width: even(3840), height: even(2160) });
const stages = fc.integer({ min: 1, max: 16 });
const softShare = fc.double({ min: 0.3, max: 0.95, noNaN: true });
const otherVoices = fc.boolean();
const wish: fc.Arbitrary<DivisionWish> = fc.record({ stages, size, softShare, otherVoices });
const MB = 1e6;
const needOf = (of: DivisionWish): number => neededMemory(of).totalMb;
const limitOf = (of: DivisionWish, times: number): number => needOf(of) * times * MB;

describe('the division of memory', () => {
  const times = fc.double({ min: 1.0001, max: 40, noNaN: true });

  it('gives every process what it needs, and all together no more than the limit', () => {
    fc.assert(
      fc.property(wish, times, (of, factor) => {
        const limit = limitOf(of, factor);
        const parts = divideMemory(limit, { ...of, imageCacheMb: 200 });
        const sum = parts.controlBytes + of.stages * parts.stageBytes + parts.spareBytes;
        expect(sum).toBeLessThanOrEqual(limit);
        expect(fitsStage([of.size], parts.stageBytes, of.softShare)).toBe(true);
        expect(parts.controlBytes * of.softShare + 10).toBeGreaterThan(
          sumMb(controlItems(of.stages, of.otherVoices!)) * MB,
        );
        expect(parts.spareBytes).toBeGreaterThanOrEqual(0);
        expect(parts.imageCacheBytes).toBeLessThanOrEqual(200 * MB);
        expect(parts.imageCacheBytes).toBeLessThanOrEqual(parts.stageBytes * of.softShare);
      }),
    );
  });

  it('lets the first avatar be drawn before the voices are loaded and a session is open, at the need itself', () => {
    fc.assert(
      fc.property(wish, times, (of, factor) => {
        const { controlBytes, stageBytes, spareBytes } = divideMemory(limitOf(of, factor), { ...of, imageCacheMb: 0 });
        const { controlMb, controlSessionMb, stageStartMb } = MEMORY_CONSTANTS;
        const loans = new MemoryLoans({
          lenders: [
            ...Array.from({ length: of.stages }, (_, index) => ({ name: `stage-${index}`, bytes: stageBytes })),
            { name: 'control', bytes: controlBytes },
          ],
          spareBytes: spareBytes + 2 * of.stages, // parts are whole bytes
          softShare: () => of.softShare,
          use: (lender) => ({
            accountedBytes: (lender === 'control' ? controlMb + of.stages * controlSessionMb : stageStartMb) * MB,
            rssBytes: 0,
          }),
        });
        const leastBytes = bakeAppetite(of.size).leastMb * MB - 2 - of.stages;
        const asked = { process: 'bake', what: 'Drawing', leastBytes, comfortableBytes: leastBytes };
        expect(loans.tryBorrow({ ...asked, brief: true, patienceMs: 0 })).not.toBeNull();
      }),
    );
  });

  it('needs more for more stages, a larger picture and more voices', () => {
    fc.assert(
      fc.property(wish, even(1000), (of, more) => {
        const { width, height } = of.size;
        expect(needOf({ ...of, stages: of.stages + 1 })).toBeGreaterThan(needOf(of));
        expect(needOf({ ...of, size: { width: width + more, height } })).toBeGreaterThan(needOf(of));
        expect(needOf({ ...of, otherVoices: true })).toBeGreaterThanOrEqual(needOf({ ...of, otherVoices: false }));
      }),
    );
  });

  it('is refused under the need, with every item of it and with the limit that would do', () => {
    fc.assert(
      fc.property(wish, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (of, part) => {
        const need = Math.ceil(needOf(of));
        expect(() => divideMemory(limitOf(of, part), { ...of, imageCacheMb: 200 })).toThrow(
          expect.objectContaining({
            code: 'config_invalid',
            message: expect.stringContaining(`needs ${need} MB`) as string,
            hint: expect.stringContaining(`to ${need} or more`) as string,
          }),
        );
      }),
    );
    const of = { stages: 2, size: { width: 1280, height: 720 }, softShare: 0.8 };
    const { message } = refusal(of);
    for (const { what } of neededMemory(of).items) expect(message).toContain(what);
  });

  it('recommends a smaller picture and fewer stages only where that is less', () => {
    const smallest = { width: 640, height: 360 };
    const hint = (stagesNow: number, now: PictureSize): string =>
      refusal({ stages: stagesNow, size: now, softShare: 0.8, smallest }).hint;
    const least = Math.ceil(needOf({ stages: 1, size: smallest, softShare: 0.8 }));
    expect(hint(1, { width: 1280, height: 720 })).toContain(`--preset low needs ${least} MB`);
    expect(hint(1, { width: 1280, height: 720 })).not.toContain('stages');
    expect(hint(1, smallest)).not.toContain('--preset');
    expect(hint(1, { width: 320, height: 180 })).not.toContain('--preset');
    expect(hint(3, smallest)).toContain(`fewer stages (stages.count: one needs ${least} MB)`);
  });

  it('lets exactly as many sessions in as fit each stage', () => {
    fc.assert(
      fc.property(wish, fc.double({ min: 1.01, max: 12, noNaN: true }), (of, factor) => {
        const parts = divideMemory(limitOf(of, factor), { ...of, imageCacheMb: 200 });
        const fit = sessionsThatFit(parts, of);
        expect(fit).toBeGreaterThanOrEqual(of.stages);
        const fullest = Array.from({ length: Math.ceil(fit / of.stages) }, () => of.size);
        expect(fitsStage(fullest, parts.stageBytes, of.softShare)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('takes as many stages as the limit bears', () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 20_000 }), wish, (limitMb, { stages: most, ...of }) => {
        const count = stagesThatFit(limitMb * MB, of, most);
        expect(count).toBeGreaterThanOrEqual(1);
        expect(count).toBeLessThanOrEqual(most);
        if (count > 1) expect(needOf({ ...of, stages: count })).toBeLessThanOrEqual(limitMb);
        if (count < most) expect(needOf({ ...of, stages: count + 1 })).toBeGreaterThan(limitMb);
      }),
    );
  });

  function refusal(of: DivisionWish & { smallest?: PictureSize }): { message: string; hint: string } {
    try {
      divideMemory(100 * MB, { ...of, imageCacheMb: 0 });
    } catch (error) {
      return error as { message: string; hint: string };
    }
    return expect.unreachable();
  }
});

describe('the contract of a preset', () => {
  const of = (preset: string, limitMb: number) => {
    const { session, memory } = loadPreset(preset);
    const config = ConfigSchema.parse({ session, memory });
    return memoryContract(config, limitMb * MB, { mostStages: 8 });
  };

  it('fits into a small machine', () => {
    expect(of('low', 400)).toMatchObject({ stages: 1, sessionsThatFit: 3 });
    expect(of('default', 512)).toMatchObject({ stages: 1, otherVoices: false });
    expect(() => of('low', 250)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it.each(presetNames())(
    '%s lends what comes and goes from what is nobody’s when the limit is comfortable',
    (preset) => {
      const { division, borrowers } = of(preset, 6000);
      const drawing = borrowers.find(({ process }) => process === 'bake')!.mb;
      expect(division.spareBytes).toBeGreaterThanOrEqual(2 * drawing * MB);
    },
  );

  it('has voices of other languages in the account when they speak, and else among what is borrowed', () => {
    const config = ConfigSchema.parse({});
    const voices = 'voices of other languages';
    for (const speak of [false, true]) {
      const contract = memoryContract(config, 3000 * MB, { mostStages: 1, otherVoices: speak });
      expect(contract.items.some(({ what }) => what === voices)).toBe(speak);
      expect(contract.needItems.some(({ what }) => what === voices)).toBe(speak);
      expect(contract.borrowers.some(({ what }) => what === voices)).toBe(!speak);
    }
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
          expect(now.totalMb).toBeCloseTo(sumMb(now.items), 6);
          expect(now.processes.reduce((sum, { mb }) => sum + mb, 0)).toBeCloseTo(now.totalMb, 6);
          const more = expectedMemory({ ...demand, sessions: [...sessions, { width: 640, height: 360 }] });
          expect(more.totalMb).toBeGreaterThan(now.totalMb);
          const watched = expectedMemory({ ...demand, viewersPerSession: viewers + 1 });
          expect(watched.totalMb).toBeGreaterThanOrEqual(now.totalMb);
        },
      ),
    );
  });

  it('counts an avatar once for all sessions of a stage that show it at one size', () => {
    const one = { width: 1280, height: 720 };
    const of = (count: number) =>
      sumMb(
        stageItems(
          'stage-0',
          Array.from({ length: count }, () => one),
          0,
        ),
      );
    expect(of(3) - of(2)).toBeCloseTo(sessionMb(one), 6);
    expect(of(1) - of(0)).toBeGreaterThan(sessionMb(one) + avatarMb(one));
  });
});
