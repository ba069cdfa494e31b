import { expect, test } from 'vitest';
import { LiveOpus } from '../../src/stream/encoders/live-opus.js';
import { CHUNK_SAMPLES, SAMPLE_RATE } from '../../src/units.js';
import { opusDecoder } from '../support/decode-media.js';

const CHUNKS = 60;
const CHANGE_AT = 25;

/** A tone and a slower one over it: any seam would stand out. */
function chunk(n: number): Int16Array {
  return Int16Array.from({ length: CHUNK_SAMPLES }, (_, i) => {
    const t = (n * CHUNK_SAMPLES + i) / SAMPLE_RATE;
    return 9000 * Math.sin(2 * Math.PI * 220 * t) + 3000 * Math.sin(2 * Math.PI * 331 * t);
  });
}

interface Run {
  decoded: Float64Array;
  /** Bytes of each chunk's packets. */
  bytes: number[];
  samples: number[];
}

function run(bitrateKbps: number, changeTo?: number): Run {
  const encoder = new LiveOpus({ bitrateKbps });
  const decoder = opusDecoder();
  const decoded: number[] = [];
  const result: Omit<Run, 'decoded'> = { bytes: [], samples: [] };
  for (let n = 0; n < CHUNKS; n++) {
    if (n === CHANGE_AT && changeTo !== undefined) {
      encoder.setBitrate(changeTo);
      expect(encoder.encoders).toBe(2);
    }
    const packets = encoder.encode(chunk(n), n * CHUNK_SAMPLES);
    result.bytes.push(packets.reduce((sum, { data }) => sum + data.length, 0));
    for (const { data, sample } of packets) {
      result.samples.push(sample);
      decoder.decode(Buffer.from(data), (frame) => {
        const plane = frame.data?.[0];
        if (plane) decoded.push(...new Int16Array(plane.buffer, plane.byteOffset, frame.nbSamples));
      });
    }
  }
  expect(encoder.encoders).toBe(1);
  encoder.close();
  encoder.close();
  decoder.close();
  return { decoded: Float64Array.from(decoded), ...result };
}

/** Largest jump in the second difference, which a tone keeps small and a click does not. */
function roughness(decoded: Float64Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) {
    most = Math.max(most, Math.abs((decoded[i] ?? 0) - 2 * (decoded[i - 1] ?? 0) + (decoded[i - 2] ?? 0)));
  }
  return most;
}

test.each([
  [40, 16],
  [24, 96],
])('the bit rate goes from %d to %d kb/s without a gap or a click', (before, after) => {
  const steady = run(before);
  const changed = run(before, after);
  // Every packet keeps its number, none is left out or doubled.
  expect(changed.samples).toEqual(steady.samples);
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rate = mean(changed.bytes.slice(CHANGE_AT + 10)) / mean(steady.bytes.slice(CHANGE_AT + 10));
  if (after < before) expect(rate).toBeLessThan(0.75);
  else expect(rate).toBeGreaterThan(1.8);
  const [from, to] = [(CHANGE_AT + 2) * CHUNK_SAMPLES, (CHANGE_AT + 12) * CHUNK_SAMPLES];
  const usual = Math.max(roughness(steady.decoded, from, to), roughness(run(after).decoded, from, to));
  expect(roughness(changed.decoded, from, to)).toBeLessThan(1.5 * usual);
});

test('a rate that libopus cannot take changes nothing', () => {
  const encoder = new LiveOpus({ bitrateKbps: 40 });
  expect(() => encoder.setBitrate(100_000)).toThrow(RangeError);
  expect(encoder.encoders).toBe(1);
  expect(encoder.encode(chunk(0), 0)).toHaveLength(2);
  encoder.setBitrate(32);
  encoder.setBitrate(48);
  expect(encoder.encoders).toBe(2);
  encoder.close();
});
