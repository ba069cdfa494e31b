import { FramePool } from '../../src/frames/frame-pool.js';
import { OpusEncoder } from '../../src/stream/encoders/opus-encoder.js';
import { VideoEncoder } from '../../src/stream/encoders/video-encoder.js';
import { Vp8Encoder } from '../../src/stream/encoders/vp8-encoder.js';
import type { VideoCodec } from '../../src/stream/rtp.js';
import { CHUNK_SAMPLES, SAMPLE_RATE, type AccessUnit, type OpusPacket } from '../../src/units.js';

/** Blocks that carry the frame number, most significant bit left. */
const TIMECODE_BITS = 16;

/**
 * A test picture and a test tone, encoded as the server does: the upper half of the picture shows the frame number as
 * black and white blocks, the lower half a pattern that moves; the tone sounds for the first 3 of every 25 frames.
 */
export class TestMedia {
  readonly #pool: FramePool;
  readonly #video: Record<VideoCodec, VideoEncoder | Vp8Encoder>;
  readonly #opus = new OpusEncoder({ bitrateKbps: 48 });
  readonly #samples = new Int16Array(CHUNK_SAMPLES);
  /** Keyframes of H.264 so far. */
  idrs = 0;
  readonly idrWanted = new Set<VideoCodec>(['h264']);

  constructor(width = 640, height = 360, bitrateKbps = 2500) {
    this.#pool = new FramePool({ width, height, size: 1 });
    const options = { width, height, bitrateKbps };
    this.#video = { h264: new VideoEncoder(options), vp8: new Vp8Encoder(options) };
  }

  /** The data are valid until the next call. */
  picture(n: number, codec: VideoCodec = 'h264'): AccessUnit {
    const frame = this.#pool.acquire()!;
    const { width, height, y, u, v, strideY } = frame;
    for (let row = 0; row < height; row += 1) {
      const line = y.subarray(row * strideY, row * strideY + width);
      if (row < height / 2) {
        for (let bit = 0; bit < TIMECODE_BITS; bit += 1) {
          const value = ((n >> (TIMECODE_BITS - 1 - bit)) & 1) === 1 ? 235 : 16;
          line.fill(value, (bit * width) / TIMECODE_BITS, ((bit + 1) * width) / TIMECODE_BITS);
        }
      } else {
        for (let x = 0; x < width; x += 1) line[x] = 64 + (((x + n * 3) ^ row) & 127);
      }
    }
    u.fill(128);
    v.fill(128);
    const unit = this.#video[codec].encode(frame, n, this.idrWanted.delete(codec));
    this.#pool.release(frame);
    if (unit.keyFrame && codec === 'h264') this.idrs += 1;
    return unit;
  }

  sound(n: number): OpusPacket[] {
    const first = n * CHUNK_SAMPLES;
    for (let i = 0; i < CHUNK_SAMPLES; i += 1) {
      this.#samples[i] = n % 25 < 3 ? Math.sin((2 * Math.PI * 440 * (first + i)) / SAMPLE_RATE) * 12_000 : 0;
    }
    return this.#opus.encode(this.#samples, first);
  }

  close(): void {
    for (const encoder of Object.values(this.#video)) encoder.close();
    this.#opus.close();
    this.#pool.close();
  }
}
