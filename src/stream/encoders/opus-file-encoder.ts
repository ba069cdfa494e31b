import { AV_SAMPLE_FMT_S16, FF_ENCODER_LIBOPUS } from 'node-av/constants';
import { CodecParameters } from 'node-av/lib';
import { OPUS_SAMPLES } from '../../units.js';
import { FileSoundEncoder } from './file-sound-encoder.js';

/**
 * Opus for files, 48 kHz mono, 20 ms packets, without the error correction that only a network needs. Times are samples;
 * the first packet is at −`paddingSamples`, which a container takes off again. The last packet is filled up with silence.
 */
export class OpusFileEncoder extends FileSoundEncoder {
  /** By how many samples decoded sound is behind what went in. */
  readonly paddingSamples: number;
  readonly #samples: Int16Array;

  /** Throws RangeError for a bit rate that the encoder cannot take. */
  constructor({ bitrateKbps }: { bitrateKbps: number }) {
    super({
      name: 'Opus',
      codec: FF_ENCODER_LIBOPUS,
      format: AV_SAMPLE_FMT_S16,
      frameSamples: OPUS_SAMPLES,
      bitrateKbps,
    });
    this.#samples = new Int16Array(this.plane.buffer, this.plane.byteOffset, OPUS_SAMPLES);
    const parameters = new CodecParameters();
    parameters.alloc();
    this.describe(parameters);
    this.paddingSamples = parameters.initialPadding;
    parameters.free();
  }

  protected override put(samples: Int16Array, at: number): void {
    this.#samples.set(samples, at);
  }

  protected override complete(filled: number): number {
    this.#samples.fill(0, filled);
    return OPUS_SAMPLES;
  }
}
