import { describe, expect, it } from 'vitest';
import { FADE_SAMPLES, fadeIn, fadeOut, peak, rms } from '../../src/audio/fade.js';
import { CHUNK_SAMPLES } from '../../src/units.js';

const constant = (value: number): Int16Array => new Int16Array(CHUNK_SAMPLES).fill(value);

describe('fades', () => {
  it('lasts 5 to 10 ms', () => {
    expect(FADE_SAMPLES / 48).toBeGreaterThanOrEqual(5);
    expect(FADE_SAMPLES / 48).toBeLessThanOrEqual(10);
  });

  it.each(['linear', 'equal-power'] as const)('falls evenly to silence (%s)', (shape) => {
    const samples = constant(20_000);
    fadeOut(samples, 100, 400, shape);
    expect(samples[99]).toBe(20_000);
    for (let i = 100; i < 500; i++) {
      expect(samples[i]!).toBeLessThanOrEqual(samples[i - 1]!);
      expect(samples[i - 1]! - samples[i]!).toBeLessThan(100);
    }
    expect(peak(samples, 500)).toBe(0);
  });

  it('adds up to the same power with the fade in', () => {
    const down = constant(10_000);
    const up = constant(10_000);
    fadeOut(down, 0, 1000);
    fadeIn(up, 0, 1000);
    for (let i = 0; i < 1000; i++) expect(Math.hypot(down[i]!, up[i]!)).toBeCloseTo(10_000, -1);
    expect(up[1500]).toBe(10_000);
  });

  it('is cut off by the end of the array, and silences all with length 0', () => {
    const samples = constant(1000);
    fadeOut(samples, CHUNK_SAMPLES - 10, 400);
    expect(samples[CHUNK_SAMPLES - 1]).toBeGreaterThan(900);
    fadeOut(samples, 0, 0);
    expect(peak(samples)).toBe(0);
    expect(() => fadeOut(samples, -1)).toThrow(RangeError);
  });

  it('measures levels', () => {
    expect(rms(constant(16_384))).toBe(0.5);
    expect(peak(constant(-32_768))).toBe(1);
    expect(rms(new Int16Array(0))).toBe(0);
    expect(peak(new Int16Array(0))).toBe(0);
  });
});
