import { AV_PKT_DATA_SKIP_SAMPLES } from 'node-av/constants';
import type { CodecParameters, Packet } from 'node-av/lib';
import { AacEncoder } from '../stream/encoders/aac-encoder.js';
import { OpusFileEncoder } from '../stream/encoders/opus-file-encoder.js';
import type { Closable } from '../units.js';
import type { VideoFormat } from './output.js';

/** Takes an encoded packet; times in samples, 0 = the first sample of the part. Valid only during the call. */
export type SoundSink = (packet: Packet, pts: number, duration: number) => void;

/** Samples that go in at a time. */
const BLOCK_SAMPLES = 4800;

/**
 * Encodes the sound of one part in one piece. The encoder is started a little before the part, with the sound that is
 * really there, and runs a little beyond it: what is decoded is the same as from one encoder over the whole, so
 * parts join without a click. What lies outside of the part is taken off by the container.
 */
export class PartSound implements Closable {
  readonly #encoder: AacEncoder | OpusFileEncoder;
  readonly #paddingSamples: number;
  readonly #read: (into: Int16Array, sample: number) => void;
  readonly #lengthSamples: number;
  readonly #block = new Int16Array(BLOCK_SAMPLES);
  readonly #leadSamples: number;
  readonly #opus: boolean;
  #fed: number;
  #ended = false;

  /** `read` fills a block with the sound from a sample on, counted from the part's first; it may be negative.
   * `isFirst`: before the part there is nothing.
   */
  constructor(
    format: VideoFormat,
    bitrateKbps: number,
    lengthSamples: number,
    read: (into: Int16Array, sample: number) => void,
    isFirst: boolean,
  ) {
    this.#opus = format === 'webm';
    if (this.#opus) {
      const opus = new OpusFileEncoder({ bitrateKbps });
      this.#encoder = opus;
      this.#paddingSamples = opus.paddingSamples;
    } else {
      this.#encoder = new AacEncoder({ bitrateKbps });
      this.#paddingSamples = 1024;
    }
    // AAC: one frame, with the encoder's own 1024 samples as much as players expect. Opus: RFC 7845, 4.2 asks for 80 ms.
    this.#leadSamples = isFirst ? 0 : this.#opus ? 3 * 960 : 1024;
    this.#lengthSamples = lengthSamples;
    this.#read = read;
    this.#fed = -this.#leadSamples;
  }

  /** Fills in what the container has to know. */
  describe(parameters: CodecParameters): void {
    this.#encoder.describe(parameters);
    if (!this.#opus) return;
    const padding = this.#paddingSamples + this.#leadSamples;
    parameters.initialPadding = padding;
    const head = Buffer.from(parameters.extradata ?? Buffer.alloc(0));
    // OpusHead's pre-skip (RFC 7845, 5.1).
    if (head.length >= 12) {
      head.writeUInt16LE(padding, 10);
      parameters.extradata = head;
    }
  }

  /** Encodes at least the sound before `sample`, as far as the part goes. */
  encodeUpTo(sample: number, sink: SoundSink): void {
    const goal = Math.min(sample, this.#lengthSamples);
    while (this.#fed < goal) this.#step(sink);
  }

  /** Encodes what is left of the part. */
  finish(sink: SoundSink): void {
    while (!this.#ended) this.#step(sink);
  }

  close(): void {
    // FFmpeg warns about sound that is left in an encoder.
    this.#encoder.flush(() => undefined);
    this.#encoder.close();
  }

  #step(sink: SoundSink): void {
    this.#read(this.#block, this.#fed);
    this.#fed += BLOCK_SAMPLES;
    this.#encoder.encode(this.#block, (packet) => {
      if (this.#ended) return;
      const pts = Number(packet.pts) - this.#leadSamples;
      const whole = Number(packet.duration);
      const left = this.#lengthSamples - pts;
      this.#ended = left <= whole;
      if (this.#opus && left < whole) {
        const trim = Buffer.alloc(10);
        trim.writeUInt32LE(whole - left, 4);
        packet.addSideData(AV_PKT_DATA_SKIP_SAMPLES, trim);
      }
      sink(packet, pts, Math.min(whole, left));
    });
  }
}
