import { describe, expect, it } from 'vitest';
import { PcmDoor } from '../../src/audio/door.js';
import { checkRate } from '../../src/audio/rate.js';
import { rms } from '../../src/audio/fade.js';
import { DhError } from '../../src/errors.js';
import { CHUNK_SAMPLES, SAMPLE_RATE } from '../../src/units.js';

describe('PcmDoor', () => {
  it.each([0, -1, Number.NaN, 7999, 192_001, 16_000.5, Number.POSITIVE_INFINITY])('refuses %d Hz', (rate) => {
    try {
      new PcmDoor(rate);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DhError);
      expect((error as DhError).code).toBe('rate_invalid');
    }
    expect(checkRate(16_000)).toBe(16_000);
  });

  it.each([44_100, 22_050])('does not drift in an hour at %d Hz', (rate) => {
    const door = new PcmDoor(rate);
    const piece = new Int16Array(rate / 10 + 7);
    let written = 0;
    let out = 0;
    const sink = (_: Int16Array, length: number): void => {
      out += length;
    };
    while (written < rate * 3600) {
      const part = piece.subarray(0, Math.min(piece.length, rate * 3600 - written));
      door.write(part, sink);
      written += part.length;
      // On the way the door holds back less than a chunk and the resampler's 2 ms.
      expect((written * SAMPLE_RATE) / rate - out).toBeLessThan(CHUNK_SAMPLES + 100);
    }
    door.flush(sink);
    door.close();
    expect(out).toBe(3600 * SAMPLE_RATE);
  });

  it('keeps a tone where it was and as loud as it was', () => {
    const rate = 16_000;
    const click = new Int16Array(rate);
    click[8_000] = 30_000;
    const door = new PcmDoor(rate);
    const out: number[] = [];
    const keep = (chunk: Int16Array): void => void out.push(...chunk);
    door.write(click, keep);
    door.flush(keep);
    const loudest = out.reduce((best, value, i) => (Math.abs(value) > Math.abs(out[best]!) ? i : best), 0);
    expect(loudest).toBe(24_000);

    const tone = Int16Array.from({ length: rate }, (_, i) =>
      Math.round(10_000 * Math.sin((i * 2 * Math.PI * 440) / rate)),
    );
    const levels: number[] = [];
    door.write(tone, (chunk) => levels.push(rms(chunk)));
    door.close();
    for (const level of levels.slice(1)) expect(level).toBeCloseTo(10_000 / 32_768 / Math.SQRT2, 2);
    expect(levels.length).toBe(24);
  });

  it('fills the last chunk with silence and says how much is sound', () => {
    const door = new PcmDoor(48_000);
    const lengths: number[] = [];
    let tail = -1;
    door.write(new Int16Array(2000).fill(100), (_, length) => lengths.push(length));
    door.flush((chunk, length) => {
      lengths.push(length);
      tail = chunk.subarray(length).reduce((sum, value) => sum + Math.abs(value), 0);
      expect(chunk[79]).toBe(100);
    });
    expect(lengths).toEqual([1920, 80]);
    expect(tail).toBe(0);
    door.flush(() => expect.unreachable());
    door.close();
    door.write(new Int16Array(4000), () => expect.unreachable());
    door.flush(() => expect.unreachable());
  });

  it('forgets what was in it when it is reset', () => {
    const door = new PcmDoor(8_000);
    door.write(new Int16Array(300).fill(20_000), () => expect.unreachable());
    door.reset();
    let sum = 0;
    door.write(new Int16Array(640), (chunk) => (sum += rms(chunk)));
    door.flush((chunk) => (sum += rms(chunk)));
    door.close();
    expect(sum).toBe(0);
  });
});
