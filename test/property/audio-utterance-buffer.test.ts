import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CREDIT_SAMPLES, UtteranceBuffer } from '../../src/audio/utterance-buffer.js';
import { CHUNK_SAMPLES } from '../../src/units.js';

describe('UtteranceBuffer', () => {
  it('gives out what was written, in order, whatever the lengths', () => {
    const writes = fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 30 });
    const buffer = new UtteranceBuffer(6000);
    fc.assert(
      fc.property(writes, fc.nat(100_000), (lengths, startSample) => {
        buffer.start(startSample);
        const chunk = new Int16Array(CHUNK_SAMPLES);
        const written: number[] = [];
        const read: number[] = [];
        const takeOne = (): number => {
          const length = buffer.takeChunk(chunk);
          read.push(...chunk.subarray(0, length));
          if (length > 0) expect(chunk.subarray(length).every((value) => value === 0)).toBe(true);
          expect(buffer.positionSamples).toBe(startSample + read.length);
          return length;
        };
        for (const length of lengths) {
          const free = buffer.freeSamples;
          const samples = Int16Array.from({ length }, (_, i) => ((written.length + i) % 30_000) + 1);
          const accepted = buffer.write(samples);
          expect(accepted).toBe(Math.min(length, free));
          written.push(...samples.subarray(0, accepted));
          expect(buffer.lengthSamples).toBe(written.length - read.length);
          if (length % 2 === 0) takeOne();
        }
        expect(buffer.drained).toBe(false);
        buffer.end();
        expect(buffer.freeSamples).toBe(0);
        expect(buffer.write(new Int16Array(5))).toBe(0);
        while (buffer.ready) expect(takeOne()).toBeGreaterThan(0);
        expect(takeOne()).toBe(0);
        expect(buffer.drained).toBe(true);
        expect(read).toEqual(written);
      }),
      { numRuns: 60 },
    );
  });

  it('holds back an unfinished chunk until the end, and forgets all when cleared', () => {
    const buffer = new UtteranceBuffer();
    const chunk = new Int16Array(CHUNK_SAMPLES);
    expect(buffer.freeSamples).toBe(CREDIT_SAMPLES);
    buffer.write(new Int16Array(100).fill(1));
    expect(buffer.takeChunk(chunk)).toBe(0);
    buffer.end();
    expect(buffer.takeChunk(chunk)).toBe(100);
    buffer.start(48_000);
    expect(buffer.positionSamples).toBe(48_000);
    buffer.write(new Int16Array(5000));
    expect(buffer.clear()).toBe(5000);
    expect([buffer.lengthSamples, buffer.positionSamples, buffer.ready, buffer.drained]).toEqual([0, 0, false, false]);
    expect(() => buffer.takeChunk(new Int16Array(5))).toThrow(RangeError);
    expect(() => new UtteranceBuffer(100)).toThrow(RangeError);
  });
});
