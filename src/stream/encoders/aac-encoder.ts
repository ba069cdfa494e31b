import { AV_SAMPLE_FMT_FLTP, FF_ENCODER_AAC } from 'node-av/constants';
import { FileSoundEncoder } from './file-sound-encoder.js';

/** Samples of one AAC-LC frame. */
const AAC_SAMPLES = 1024;

/**
 * AAC-LC for files, 48 kHz mono, by FFmpeg's own encoder. Times are samples; the first packet is at −1024, the
 * encoder's priming, which a container takes off again. The last frame can be shorter.
 */
export class AacEncoder extends FileSoundEncoder {
  readonly #samples: Float32Array;

  /** Throws RangeError for a bit rate that the encoder cannot take. */
  constructor({ bitrateKbps }: { bitrateKbps: number }) {
    super({
      name: 'AAC',
      codec: FF_ENCODER_AAC,
      format: AV_SAMPLE_FMT_FLTP,
      frameSamples: AAC_SAMPLES,
      bitrateKbps,
      // For speech at 96 kb/s: 3.6 times as fast as the default coder, and 7 dB nearer to the original.
      options: { aac_coder: 'fast' },
    });
    this.#samples = new Float32Array(this.plane.buffer, this.plane.byteOffset, AAC_SAMPLES);
  }

  protected override put(samples: Int16Array, at: number): void {
    for (let i = 0; i < samples.length; i++) this.#samples[at + i] = (samples[i] ?? 0) / 32_768;
  }

  protected override complete(filled: number): number {
    return filled;
  }
}
