import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadPreset, presetNames } from '../../src/config/load.js';
import { ConfigSchema, type IdleQuality } from '../../src/config/schema.js';
import { capacityOf, choosePreset, planFor, type CapacityInput } from '../../src/guard/capacity.js';
import { pictureCpuMs, type FrameCosts } from '../../src/guard/frame-cost.js';
import { memoryContract } from '../../src/guard/memory-contract.js';
import { divideMemory, neededMemory } from '../../src/guard/memory-division.js';
import { Optimizer, type Decision, type StageLoad } from '../../src/guard/optimizer.js';
import { processReading, serverReading } from '../support/server-reading.js';

const profiles = Object.fromEntries(presetNames().map((name) => [name, loadPreset(name).session]));
const costsOf = (msPerMegapixel: number): FrameCosts =>
  Object.fromEntries(
    Object.entries(profiles).map(([name, profile]) => {
      const cpuMs = 1 + (msPerMegapixel * profile.width * profile.height) / 1e6;
      return [name, { cost: { cpuMs, p95Ms: cpuMs, frames: 20 }, profile }];
    }),
  );
const preset = fc.constantFrom(...presetNames());
const input = fc
  .record({
    cores: fc.integer({ min: 1, max: 64 }),
    stages: fc.integer({ min: 1, max: 16 }),
    times: fc.double({ min: 1, max: 30, noNaN: true }),
    ms: fc.double({ min: 0.5, max: 40, noNaN: true }),
    maxSessions: fc.integer({ min: 1, max: 200 }),
  })
  .map(({ cores, stages, times, ms, maxSessions }): CapacityInput => {
    const size = profiles['high']!;
    const limitBytes = Math.ceil(neededMemory({ stages, size, softShare: 0.8 }).totalMb * times * 1e6) + 1;
    const division = divideMemory(limitBytes, { stages, size, softShare: 0.8, imageCacheMb: 200 });
    return { cores, stages, limitBytes, division, softShare: 0.8, otherVoices: false, maxSessions, costs: costsOf(ms) };
  });

describe('planFor', () => {
  it('fits fewer whenever it fits more; more sessions never take less', () => {
    fc.assert(
      fc.property(input, preset, fc.integer({ min: 1, max: 100 }), (given, name, n) => {
        const plan = (count: number) => planFor(count, name, profiles[name]!, given);
        const [less, more] = [plan(n), plan(n + 1)];
        if (more.fits) expect(less.fits).toBe(true);
        expect(more.memoryMb).toBeGreaterThan(less.memoryMb);
        expect(more.cpuCores!).toBeGreaterThan(less.cpuCores!);
        expect(less.why.length).toBeGreaterThan(10);
      }),
    );
  });

  it('fits exactly up to the least of its bounds, and names what is short', () => {
    fc.assert(
      fc.property(input, preset, (given, name) => {
        const { bySetting, byMemory, byCpu } = capacityOf(profiles[name]!, given);
        const most = Math.min(bySetting, byMemory, byCpu!);
        expect(planFor(most, name, profiles[name]!, given).fits).toBe(true);
        const over = planFor(most + 1, name, profiles[name]!, given);
        expect(over.fits).toBe(false);
        expect(over.why).toMatch(/maxSessions|memory is enough|CPU is enough/);
      }),
    );
  });

  it('says nothing about CPU before it was measured', () => {
    fc.assert(
      fc.property(input, preset, (given, name) => {
        expect(planFor(1, name, profiles[name]!, { ...given, costs: null })).toMatchObject({
          cpuCores: null,
          fits: true,
        });
      }),
    );
  });
});

describe('the cost of a picture', () => {
  it('is what was measured at the sizes that were measured, and grows with the size', () => {
    const costs = costsOf(8);
    for (const [name, { cost }] of Object.entries(costs))
      expect(pictureCpuMs(profiles[name]!, costs)).toBeCloseTo(cost.cpuMs, 6);
    const fast = { ...profiles['default']!, x264Preset: 'ultrafast' as const };
    let before = 0;
    for (let width = 320; width <= 3840; width += 64) {
      const ms = pictureCpuMs({ ...fast, width, height: (width * 9) / 16 }, costs);
      expect(ms).toBeGreaterThan(before);
      before = ms;
    }
  });
});

describe('choosePreset', () => {
  const choices = Object.entries(profiles).map(([name, profile]) => ({
    name,
    profile,
    limitBytes: 4000e6,
    softShare: 0.8,
    stages: 1,
  }));
  it.each([
    [4, 'high'],
    [15, 'default'],
    [60, 'low'],
    [500, 'low'],
  ])('at %s ms a megapixel takes %s', (ms, expected) => {
    expect(choosePreset(choices, costsOf(ms)).preset).toBe(expected);
  });
  it('leaves out what the memory does not bear', () => {
    const tight = choices.map((choice) => ({ ...choice, limitBytes: choice.name === 'high' ? 300e6 : 4000e6 }));
    const { preset: chosen, why } = choosePreset(tight, costsOf(2));
    expect(chosen).toBe('default');
    expect(why).toContain('high needs');
  });
  it('counts the memory of all stages that there will be', () => {
    const need = (stages: number) => neededMemory({ stages, size: profiles['high']!, softShare: 0.8 }).totalMb * 1e6;
    const some = (stages: number) => choices.map((choice) => ({ ...choice, limitBytes: need(4), stages }));
    expect(choosePreset(some(4), costsOf(2)).preset).toBe('high');
    expect(choosePreset(some(5), costsOf(2)).preset).not.toBe('high');
  });
});

describe('Optimizer', () => {
  const config = ConfigSchema.parse({});
  const make = (limitMb = 3000) => {
    const contract = memoryContract(config, limitMb * 1e6, { mostStages: 1 });
    const caps: IdleQuality[] = [];
    const decisions: Decision[] = [];
    let atMs = 1_700_000_000_000;
    const optimizer = new Optimizer({
      config: () => config,
      contract: () => contract,
      loans: () => ({ spareBytes: contract.division.spareBytes, loans: [], waiting: [] }),
      cores: 2,
      profileOf: (name) => loadPreset(name).session,
      capIdleQuality: (quality) => caps.push(quality),
      decided: (decision) => decisions.push(decision),
      wallClock: () => atMs,
    });
    const run = (seconds: number, stagePercent: number): void => {
      for (let i = 0; i < seconds; i++, atMs += 1000) {
        optimizer.look(serverReading({ atMs, processes: [processReading({ cpuPercent: stagePercent })] }));
      }
    };
    const { stageBytes } = contract.division;
    const load = (count: number, limitBytes = stageBytes): StageLoad => ({
      sessions: Array.from({ length: count }, () => config.session),
      limitBytes,
    });
    return { optimizer, caps, decisions, run, load, stageBytes };
  };
  const size = config.session;

  it('lowers idle pictures twice before it refuses sessions, and takes it all back', () => {
    const { optimizer, caps, run, load } = make();
    run(9, 99);
    expect(caps).toEqual([]);
    run(12, 99);
    expect(caps).toEqual(['half', 'low']);
    optimizer.admit([load(0)], size);
    run(10, 99);
    expect(() => optimizer.admit([load(0)], size)).toThrow(
      expect.objectContaining({ code: 'session_limit', message: expect.stringContaining('99 %') as string }),
    );
    // between release and limit nothing changes
    run(300, 80);
    expect(() => optimizer.admit([load(0)], size)).toThrow();
    run(31, 30);
    optimizer.admit([load(0)], size);
    run(90, 30);
    expect(caps).toEqual(['half', 'low', 'low', 'low', 'half', 'full']);
    expect(optimizer.report().decisions.map(({ why }) => why)).toContain('CPU pressure for 10 s');
  });

  it('does nothing about a machine that others keep busy', () => {
    const { optimizer, caps } = make();
    for (let i = 0; i < 100; i++) {
      optimizer.look(
        serverReading({ atMs: i * 1000, machineCpuPercent: 100, processes: [processReading({ cpuPercent: 25 })] }),
      );
    }
    expect(caps).toEqual([]);
  });

  it('refuses a session that memory does not bear, with the figures', () => {
    const { optimizer, load, stageBytes } = make(
      Math.ceil(neededMemory({ stages: 1, size, softShare: 0.8 }).totalMb) + 10,
    );
    const { byMemory } = optimizer.capacity();
    expect(byMemory).toBeGreaterThan(0);
    optimizer.admit([load(byMemory - 1)], size);
    const refused = (stage: StageLoad, message: RegExp) =>
      expect(() => optimizer.admit([stage], size)).toThrow(
        expect.objectContaining({ code: 'session_limit', message: expect.stringMatching(message) as string }),
      );
    refused(load(byMemory), /would use \d+ MB, and may use \d+ MB before it trims\.$/);
    // What it lends it cannot use.
    refused(load(byMemory - 1, stageBytes - 50e6), /\(50 MB of it are lent for the moment\)/);
  });
});
