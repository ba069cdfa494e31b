import { describe, expect, it } from 'vitest';
import { clockText } from '../../src/durations.js';
import { RunningStats } from '../../src/monitor/running-stats.js';
import { Trend, tQuantile } from '../../src/guard/trend.js';

/** Mulberry32: the same numbers every time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
function gauss(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Seconds of memory figures: a heap that fills and is collected, noise that remembers itself, and a slope. */
function memory(
  seed: number,
  seconds: number,
  bytesPerHour: number,
  memoryOfNoise = 0.9,
): [atMs: number, bytes: number][] {
  const next = random(seed);
  let noise = 0;
  let heap = 0;
  let fill = 1e6;
  return Array.from({ length: seconds }, (_, second) => {
    noise = memoryOfNoise * noise + 0.3e6 * gauss(next);
    heap += fill;
    if (heap > 20e6) {
      heap = 2e6 * next();
      fill = (0.5 + next()) * 1e6;
    }
    return [second * 1000, 200e6 + heap + noise + (bytesPerHour * second) / 3600];
  });
}
function slopeOf(series: [number, number][]) {
  const trend = new Trend();
  for (const [atMs, bytes] of series) trend.add(atMs, bytes);
  return trend.slope();
}

describe('the slope of a memory series', () => {
  it('is found with an interval that holds the truth, leak or none', () => {
    for (const truth of [0, 50e6, -30e6]) {
      const runs = Array.from({ length: 100 }, (_, i) => slopeOf(memory(i + 1, 1800, truth))!);
      const hits = runs.filter(({ lowPerHour, highPerHour }) => lowPerHour <= truth && truth <= highPerHour).length;
      expect(hits).toBeGreaterThanOrEqual(90);
      const mean = runs.reduce((sum, { perHour }) => sum + perHour, 0) / runs.length;
      expect(Math.abs(mean - truth)).toBeLessThan(2e6);
    }
  });

  it('tells a leak of 50 MB an hour from none within half an hour', () => {
    const runs = Array.from({ length: 50 }, (_, i) => slopeOf(memory(i + 1, 1800, 50e6))!);
    expect(runs.filter(({ lowPerHour }) => lowPerHour > 0).length).toBeGreaterThanOrEqual(48);
  });

  it('has a wider interval than independent samples would give', () => {
    const series = memory(7, 600, 0, 0.98);
    const { lowPerHour, highPerHour } = slopeOf(series)!;
    // Ordinary least squares through all samples, as if each told something new.
    const n = series.length;
    const meanX = series.reduce((sum, [x]) => sum + x / 3.6e6, 0) / n;
    const meanY = series.reduce((sum, [, y]) => sum + y, 0) / n;
    const sxx = series.reduce((sum, [x]) => sum + (x / 3.6e6 - meanX) ** 2, 0);
    const slope = series.reduce((sum, [x, y]) => sum + (x / 3.6e6 - meanX) * (y - meanY), 0) / sxx;
    const squares = series.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x / 3.6e6 - meanX)) ** 2, 0);
    const naive = 1.96 * Math.sqrt(squares / (n - 2) / sxx);
    expect((highPerHour - lowPerHour) / 2).toBeGreaterThan(1.2 * naive);
  });

  it('is exact for a line, over gaps and merged blocks', () => {
    const trend = new Trend();
    for (let second = 0; second < 100_000; second += 7) {
      if (second < 30_000 || second > 50_000) trend.add(second * 1000, 1e9 + second * 1000);
    }
    const slope = trend.slope()!;
    expect(slope.perHour / 3.6e6).toBeCloseTo(1, 3);
    expect(slope.blocks).toBeLessThanOrEqual(128);
    expect(slope.blockMs).toBeGreaterThan(10_000);
  });

  it('is not known from too little', () => {
    expect(slopeOf([])).toBeNull();
    expect(slopeOf(memory(1, 50, 0))).toBeNull();
    expect(slopeOf(memory(1, 61, 0))).not.toBeNull();
    const constant = slopeOf(Array.from({ length: 100 }, (_, i) => [i * 1000, 5e6]))!;
    expect([constant.perHour, constant.lowPerHour, constant.highPerHour]).toEqual([0, 0, 0]);
  });

  it('uses the t distribution', () => {
    for (const [df, t] of [
      [1, 12.706],
      [2, 4.303],
      [4, 2.776],
      [10, 2.228],
      [30, 2.042],
      [1000, 1.962],
    ] as const) {
      expect(Math.abs(tQuantile(df) / t - 1)).toBeLessThan(0.006);
    }
  });
});

describe('running statistics', () => {
  it('agree with those of the whole series', () => {
    const next = random(3);
    const values = Array.from({ length: 20_000 }, () => 1e6 + 300e6 * next() ** 2);
    const stats = new RunningStats();
    for (const value of values) stats.add(value);
    const sorted = [...values].sort((a, b) => a - b);
    const summary = stats.summary()!;
    expect(summary.count).toBe(20_000);
    expect(summary.min).toBe(sorted[0]);
    expect(summary.max).toBe(sorted.at(-1));
    expect(summary.mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 0);
    expect(Math.abs(summary.p95 / sorted[18_999]! - 1)).toBeLessThan(0.005);
  });

  it('know nothing of nothing, and ignore what is no number', () => {
    const stats = new RunningStats();
    stats.add(Number.NaN);
    expect(stats.summary()).toBeNull();
    stats.add(0);
    expect(stats.summary()).toEqual({ count: 1, min: 0, mean: 0, p95: 0, max: 0 });
  });
});

describe('durations', () => {
  it('are shown as a clock', () => {
    expect([0, 61_000, 3_727_400].map(clockText)).toEqual(['0:00', '1:01', '1:02:07']);
  });
});
