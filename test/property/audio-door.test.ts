import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PcmDoor } from '../../src/audio/door.js';
import { PcmBytes } from '../../src/audio/pcm-bytes.js';
import { CHUNK_SAMPLES, SAMPLE_RATE } from '../../src/units.js';

/** All of what a door makes of the pieces. */
function convert(door: PcmDoor, pieces: Int16Array[]): { samples: number[]; length: number } {
  const samples: number[] = [];
  let length = 0;
  const sink = (chunk: Int16Array, lengthSamples: number): void => {
    expect(chunk.length).toBe(CHUNK_SAMPLES);
    samples.push(...chunk);
    length += lengthSamples;
  };
  for (const piece of pieces) door.write(piece, sink);
  door.flush(sink);
  return { samples, length };
}

describe('PcmDoor', () => {
  it('gives the same sound however the input is cut', () => {
    const rates = fc.constantFrom(8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000, 192000);
    const cuts = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(rates, cuts, fc.integer({ min: 0, max: 6000 }), (rate, lengths, total) => {
        const pcm = Int16Array.from({ length: total }, (_, i) => Math.round(12_000 * Math.sin(i * 0.05)));
        const pieces: Int16Array[] = [];
        for (let at = 0, i = 0; at < total; i++) {
          const length = Math.max(1, lengths[i % lengths.length]!);
          pieces.push(pcm.subarray(at, at + length));
          at += length;
        }
        const door = new PcmDoor(rate);
        const cut = convert(door, pieces);
        const whole = convert(door, [pcm]);
        door.close();
        door.close();
        expect(cut).toEqual(whole);
        expect(Math.abs(cut.length - (total * SAMPLE_RATE) / rate)).toBeLessThan(1);
      }),
      { numRuns: 60 },
    );
  });

  it('works at any whole rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8000, max: 192_000 }), (rate) => {
        const door = new PcmDoor(rate);
        const { length } = convert(door, [new Int16Array(rate)]);
        door.close();
        expect(Math.abs(length - SAMPLE_RATE)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('PcmBytes', () => {
  it('gives the samples of the whole stream however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1 }),
        (bytes, cuts) => {
          const join = new PcmBytes(2);
          const samples: number[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const length = i >= cuts.length ? 7 : cuts[i]!;
            samples.push(...join.push(bytes.subarray(at, at + length)));
            at += length;
          }
          const even = bytes.length & ~1;
          const view = new DataView(bytes.buffer, bytes.byteOffset, even);
          expect(samples).toEqual(Array.from({ length: even / 2 }, (_, i) => view.getInt16(i * 2, true)));
          expect(join.hasOddByte).toBe(bytes.length % 2 === 1);
        },
      ),
    );
  });
});
