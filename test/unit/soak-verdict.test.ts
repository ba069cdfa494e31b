import { expect, test } from 'vitest';
import { SeededRandom } from '../../bench/lib/random.js';
import { Floors, judge } from '../../bench/soak/verdict.js';

const MINUTE = 60_000;
const COUNTS = { sessions: 1, viewers: 0, 'stage fds': 30 };

/** Ten minutes of a stage and a control process whose heaps rise and are collected, and that may leak. */
function run(leakMbPerMin: { stage?: number; control?: number }, seed = 1): Floors {
  const random = new SeededRandom(seed);
  const floors = new Floors(20_000);
  for (let atMs = 0; atMs < 10 * MINUTE; atMs += 1000) {
    const mb = (base: number, perMin: number, period: number): number =>
      (base + (perMin * atMs) / MINUTE + 8 * ((atMs % period) / period) + 2 * random.next()) * 1e6;
    floors.add(atMs, [
      { name: 'control', rssBytes: mb(120, leakMbPerMin.control ?? 0, 13_000) },
      { name: 'stage', rssBytes: mb(130, leakMbPerMin.stage ?? 0, 17_000) },
      // Comes and goes.
      ...(atMs % 120_000 < 15_000 ? [{ name: 'media', rssBytes: 90e6 }] : []),
    ]);
  }
  return floors;
}

test('a heap that rises and is collected is steady', () => {
  const verdicts = Array.from({ length: 40 }, (_, seed) => judge(run({}, seed).slopes(), COUNTS, COUNTS, []).verdict);
  // Three intervals of 95 % each: a few may miss zero.
  expect(verdicts.filter((verdict) => verdict !== 'steady').length).toBeLessThanOrEqual(8);
});

test.each(['stage', 'control'] as const)('a leak in %s is found, named and measured', (process) => {
  for (let seed = 0; seed < 10; seed++) {
    const found = judge(run({ [process]: 2 }, seed).slopes(), COUNTS, COUNTS, []);
    expect(found.verdict).toBe('leak');
    expect(found.process).toBe(process);
    expect(found.slopes[process]?.perHour).toBeGreaterThan(90);
    expect(found.slopes[process]?.perHour).toBeLessThan(150);
    expect(found.message).toContain(process);
  }
});

test('a count that is higher at the end is told, one that is lower is not', () => {
  const slopes = run({}).slopes();
  const steady = Object.fromEntries(Object.entries(slopes).map(([name, slope]) => [name, slope && { ...slope, lowPerHour: -1 }])); // prettier-ignore
  const found = judge(steady, COUNTS, { ...COUNTS, 'stage fds': 31, sessions: 0, 'control threads': 2 }, []);
  expect(found.verdict).toBe('grown');
  expect(found.grown).toEqual([
    { name: 'stage fds', before: 30, after: 31 },
    { name: 'control threads', before: 0, after: 2 },
  ]);
  expect(judge(steady, COUNTS, { ...COUNTS, 'stage fds': 29 }, []).verdict).toBe('steady');
  expect(judge(steady, COUNTS, COUNTS, ['500 for /say']).verdict).toBe('errors');
});

test('a run of a few blocks is too short for a verdict', () => {
  const floors = new Floors(20_000);
  for (let atMs = 0; atMs < 60_000; atMs += 1000) floors.add(atMs, [{ name: 'control', rssBytes: 1e8 }]);
  expect(judge(floors.slopes(), COUNTS, COUNTS, []).verdict).toBe('too short');
});

test('a leak that only the sum is sure of is put down to the process that grows most', () => {
  const slope = (perHour: number, half: number) => ({ perHour, lowPerHour: perHour - half, highPerHour: perHour + half, blocks: 11, blockMs: 1 }); // prettier-ignore
  const found = judge(
    { all: slope(1189, 106), control: slope(189, 1275), stage: slope(1007, 2526) },
    COUNTS,
    COUNTS,
    [],
  );
  expect(found).toMatchObject({ verdict: 'leak', process: 'stage' });
  expect(found.message).toMatch(/^all grows by 1189.0 MB\/h .* most of it stage\.$/);
});

test('an interval so wide that a leak fits into it is not called steady', () => {
  const all = { perHour: 1238, lowPerHour: -2403, highPerHour: 4880, blocks: 11, blockMs: 1 };
  expect(judge({ all }, COUNTS, COUNTS, []).verdict).toBe('too short');
});
