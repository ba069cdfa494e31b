import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { FramePool, type PooledFrame } from '../../src/frames/frame-pool.js';
import { NativePicture } from '../../src/frames/native-picture.js';
import { drawTimeCode, readTimeCode } from '../../src/frames/time-code.js';
import { OpusEncoder } from '../../src/stream/encoders/opus-encoder.js';
import { parameterSets } from '../../src/stream/encoders/parameter-sets.js';
import { VideoEncoder, type VideoEncoderOptions } from '../../src/stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, OPUS_SAMPLES, SAMPLE_RATE } from '../../src/units.js';
import { h264Decoder, opusDecoder } from '../support/decode-media.js';

const closables: { close(): void }[] = [];
afterEach(() => {
  for (const closable of closables.splice(0)) closable.close();
});

function own<T extends { close(): void }>(closable: T): T {
  closables.push(closable);
  return closable;
}

function setup(options: Partial<VideoEncoderOptions> = {}): { encoder: VideoEncoder; frame: PooledFrame } {
  const { width = 320, height = 180 } = options;
  const encoder = own(new VideoEncoder({ width, height, bitrateKbps: 600, ...options }));
  const pool = own(new FramePool({ width, height, size: 1 }));
  const frame = pool.acquire();
  if (frame === null) throw new Error('empty pool');
  pool.release(frame);
  return { encoder, frame };
}

/** Types of the NAL units in an Annex B byte stream. */
function nalTypes(data: Uint8Array): number[] {
  const types: number[] = [];
  for (let i = 0; i + 3 < data.length; i++) {
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1) types.push((data[i + 3] ?? 0) & 0x1f);
  }
  return types;
}

function noise(frame: PooledFrame, seed: number): void {
  let state = seed + 1;
  for (let i = 0; i < frame.y.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    frame.y[i] = 16 + ((state >>> 24) % 220);
  }
}

describe('VideoEncoder', () => {
  test('makes IDRs only when asked, each with SPS and PPS, constrained baseline', () => {
    const { encoder, frame } = setup();
    for (let n = 0; n < 60; n++) {
      drawTimeCode(frame, n);
      const unit = encoder.encode(frame, n, n === 40);
      expect(unit.frame).toBe(n);
      const idr = n === 0 || n === 40;
      expect(unit.keyFrame).toBe(idr);
      const types = nalTypes(unit.data);
      expect(types.includes(7) && types.includes(8) && types.includes(5)).toBe(idr);
      if (idr) {
        const sets = parameterSets(unit.data);
        const sps = sets.indexOf(Buffer.from([0, 0, 0, 1, 0x67])) + 5;
        expect(sets[sps]).toBe(66);
        // constraint_set0 and constraint_set1: constrained baseline (ITU-T H.264, A.2.1.1).
        expect((sets[sps + 1] ?? 0) & 0xc0).toBe(0xc0);
      }
    }
  });

  test('reads the very memory that the pool hands out, and does not move or keep it', () => {
    const { encoder, frame } = setup();
    const decoder = own(h264Decoder());
    const { y } = frame;
    const read: (number | null)[] = [];
    for (let n = 0; n < 10; n++) {
      drawTimeCode(frame, 1000 + n);
      decoder.decode(encoder.encode(frame, n).data, ({ data, width, height, linesize, colorSpace, colorRange }) => {
        if (!data?.[0]) throw new Error('no plane');
        read.push(readTimeCode(data[0], width, height, linesize[0]));
        expect([colorSpace, colorRange]).toEqual([1, 1]);
      });
      expect(frame.native.isWritable).toBe(true);
      expect(frame.y).toBe(y);
      expect(frame.native.data?.[0]?.[0]).toBe(y[0]);
    }
    expect(read).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009]);
  });

  test('keeps the bit rate, also after it was changed', () => {
    const { encoder, frame } = setup({ bitrateKbps: 800 });
    const kbps = (from: number): number => {
      let bytes = 0;
      for (let n = from; n < from + 50; n++) {
        noise(frame, n);
        bytes += encoder.encode(frame, n).data.length;
      }
      return (bytes * 8) / 2000;
    };
    kbps(0);
    expect(kbps(50)).toBeLessThan(900);
    encoder.setBitrate(300);
    kbps(100);
    expect(kbps(150)).toBeLessThan(345);
    encoder.setBitrate(1500);
    kbps(200);
    expect(kbps(250)).toBeGreaterThan(1000);
  });

  test('warms up for nobody: the first real picture is a whole keyframe, and closing meanwhile is safe', async () => {
    const pool = new FramePool({ width: 320, height: 180, size: 1 });
    const frame = pool.acquire()!;
    frame.y.forEach((_, i) => (frame.y[i] = 16 + ((i * 7919) % 200)));
    const sizes: number[] = [];
    for (const warm of [false, true]) {
      const encoder = new VideoEncoder({ width: 320, height: 180, bitrateKbps: 900 });
      const warming = warm ? encoder.warmUp(frame) : Promise.resolve();
      if (warm) expect(() => encoder.encode(frame, 100)).toThrow(RangeError);
      await warming;
      const unit = encoder.encode(frame, 100, warm);
      expect(unit.keyFrame).toBe(true);
      sizes.push(unit.data.length);
      expect(encoder.encode(frame, 101).keyFrame).toBe(false);
      encoder.close();
    }
    // The rate buffer is full again: the keyframe is as good as that of a fresh encoder.
    expect(sizes[1]! / sizes[0]!).toBeGreaterThan(0.7);
    const closed = new VideoEncoder({ width: 320, height: 180, bitrateKbps: 900 });
    const warming = closed.warmUp(frame);
    closed.close();
    await warming;
    expect(closed.bytes).toBe(0);
    pool.release(frame);
    pool.close();
  });

  test('offline: high profile and regular key frames', () => {
    const { encoder, frame } = setup({ mode: 'offline' });
    const keys: number[] = [];
    for (let n = 0; n < 260; n++) {
      drawTimeCode(frame, n);
      const unit = encoder.encode(frame, n);
      if (unit.keyFrame) keys.push(n);
      if (n === 0) expect(parameterSets(unit.data)[5]).toBe(100);
    }
    expect(keys).toEqual([0, 125, 250]);
    expect(() => {
      encoder.setBitrate(1000);
    }).toThrow(RangeError);
  });

  test('refuses what cannot be encoded', () => {
    const { encoder, frame } = setup();
    encoder.encode(frame, 5);
    expect(() => encoder.encode(frame, 5)).toThrow(RangeError);
    expect(() => encoder.encode(frame, 4.5)).toThrow(RangeError);
    expect(() => encoder.encode(own(new NativePicture(64, 64)), 6)).toThrow(RangeError);
    encoder.close();
    encoder.close();
    expect(() => encoder.encode(frame, 7)).toThrow(RangeError);
    expect(() => new VideoEncoder({ width: 320, height: 180, bitrateKbps: 0 })).toThrow(RangeError);
    expect(() => new VideoEncoder({ width: 320, height: 180, bitrateKbps: 500, x264Preset: 'warp' })).toThrow(
      RangeError,
    );
  });
});

describe('OpusEncoder', () => {
  test('numbers each packet by its first sample; decoded sound is delaySamples behind', () => {
    const encoder = own(new OpusEncoder({ bitrateKbps: 40 }));
    const decoder = own(opusDecoder());
    const chunk = new Int16Array(CHUNK_SAMPLES);
    const onset = 10 * CHUNK_SAMPLES + 700;
    const decoded: number[] = [];
    let expected = 0;
    for (let n = 0; n < 20; n++) {
      for (let i = 0; i < CHUNK_SAMPLES; i++) {
        const sample = n * CHUNK_SAMPLES + i;
        chunk[i] = sample < onset ? 0 : 12_000 * Math.sin((2 * Math.PI * 800 * sample) / SAMPLE_RATE);
      }
      const packets = encoder.encode(chunk, n * CHUNK_SAMPLES);
      expect(packets.length).toBe(2);
      for (const packet of packets) {
        expect(packet.sample).toBe(expected);
        expected += OPUS_SAMPLES;
        decoder.decode(packet.data, (frame) => {
          const plane = frame.data?.[0];
          if (!plane) throw new Error('no samples');
          expect(frame.nbSamples).toBe(OPUS_SAMPLES);
          decoded.push(...new Int16Array(plane.buffer, plane.byteOffset, frame.nbSamples));
        });
      }
    }
    const heard = decoded.findIndex((value) => Math.abs(value) > 2000);
    expect(Math.abs(heard - encoder.delaySamples - onset)).toBeLessThan(60);
    expect(encoder.delaySamples).toBe(312);
  });

  test('silence keeps the cadence, and packets stay as they were', () => {
    const encoder = own(new OpusEncoder({ bitrateKbps: 40 }));
    const silence = new Int16Array(CHUNK_SAMPLES);
    const packets = Array.from({ length: 50 }, (_, n) => encoder.encode(silence, n * CHUNK_SAMPLES)).flat();
    expect(packets.map(({ sample }) => sample)).toEqual([...Array(100).keys()].map((n) => n * OPUS_SAMPLES));
    const copies = packets.map(({ data }) => Buffer.from(data));
    encoder.encode(silence.fill(1000), 50 * CHUNK_SAMPLES);
    expect(packets.every(({ data }, i) => copies[i]?.equals(data))).toBe(true);
  });

  test('refuses other lengths and bit rates', () => {
    const encoder = own(new OpusEncoder({ bitrateKbps: 40 }));
    expect(() => encoder.encode(new Int16Array(960), 0)).toThrow(RangeError);
    expect(() => new OpusEncoder({ bitrateKbps: 100_000 })).toThrow(RangeError);
    encoder.close();
    encoder.close();
    expect(() => encoder.encode(new Int16Array(CHUNK_SAMPLES), 0)).toThrow(RangeError);
  });
});

test('parameter sets are found behind start codes of three and four bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 2, maxLength: 9 })), { maxLength: 4 }),
      (rest) => {
        const clean = (bytes: Uint8Array): Buffer => Buffer.from(bytes.map((byte) => (byte < 4 ? 9 : byte)));
        const parts: Buffer[] = [];
        const sps = Buffer.of(0x67, 66, 5, 7);
        const pps = Buffer.of(0x68, 206, 60, 128);
        parts.push(Buffer.of(0, 0, 0, 1), sps, Buffer.of(0, 0, 1), pps);
        for (const [long, bytes] of rest) {
          parts.push(long ? Buffer.of(0, 0, 0, 1) : Buffer.of(0, 0, 1), Buffer.of(0x65), clean(bytes));
        }
        expect(parameterSets(Buffer.concat(parts))).toEqual(
          Buffer.concat([Buffer.of(0, 0, 0, 1), sps, Buffer.of(0, 0, 0, 1), pps]),
        );
      },
    ),
  );
  expect(() => parameterSets(Buffer.of(0, 0, 1, 0x67, 1))).toThrow(RangeError);
});
