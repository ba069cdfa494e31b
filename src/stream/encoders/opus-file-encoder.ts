import { AV_SAMPLE_FMT_S16, FF_ENCODER_LIBOPUS } from 'node-av/constants';
import { Codec, CodecContext, CodecParameters, FFmpegError, Frame, Packet, Rational } from 'node-av/lib';
import { OPUS_SAMPLES, SAMPLE_RATE, type Closable } from '../../units.js';
import { MONO } from './opus-encoder.js';

/**
 * Opus for files, 48 kHz mono, 20 ms packets, without the error correction that only a network needs. Times are samples;
 * the first packet is at −`paddingSamples`, which a container takes off again.
 */
export class OpusFileEncoder implements Closable {
  /** By how many samples decoded sound is behind what went in. */
  readonly paddingSamples: number;
  readonly #context = new CodecContext();
  readonly #frame = new Frame();
  readonly #packet = new Packet();
  readonly #samples: Int16Array;
  #filled = 0;
  #position = 0;
  #closed = false;

  /** Throws RangeError for a bit rate that the encoder cannot take. */
  constructor({ bitrateKbps }: { bitrateKbps: number }) {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBOPUS);
    if (codec === null) throw new Error('this build of FFmpeg has no libopus');
    const context = this.#context;
    context.allocContext3(codec);
    context.sampleRate = SAMPLE_RATE;
    context.sampleFormat = AV_SAMPLE_FMT_S16;
    context.channelLayout = MONO;
    context.timeBase = new Rational(1, SAMPLE_RATE);
    context.bitRate = BigInt(Math.round(bitrateKbps * 1000));
    try {
      FFmpegError.throwIfError(context.setOption('flags', '+global_header'), 'Opus');
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'Opus');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`Opus refuses ${bitrateKbps} kb/s`, { cause: error });
    }
    this.#packet.alloc();
    this.#frame.alloc();
    this.#frame.format = AV_SAMPLE_FMT_S16;
    this.#frame.nbSamples = OPUS_SAMPLES;
    this.#frame.sampleRate = SAMPLE_RATE;
    this.#frame.channelLayout = MONO;
    FFmpegError.throwIfError(this.#frame.allocBuffer(), 'sound memory');
    const plane = this.#frame.data?.[0];
    if (plane === undefined) throw new Error('frame without samples');
    this.#samples = new Int16Array(plane.buffer, plane.byteOffset, OPUS_SAMPLES);
    const parameters = new CodecParameters();
    parameters.alloc();
    this.describe(parameters);
    this.paddingSamples = parameters.initialPadding;
    parameters.free();
  }

  /** Fills in what a container has to know. */
  describe(parameters: CodecParameters): void {
    FFmpegError.throwIfError(parameters.fromContext(this.#context), 'Opus parameters');
  }

  /** Encodes samples of any number. `sink` gets packets that are valid only while it runs. */
  encode(samples: Int16Array, sink: (packet: Packet) => void): void {
    for (let at = 0; at < samples.length;) {
      const count = Math.min(OPUS_SAMPLES - this.#filled, samples.length - at);
      this.#samples.set(samples.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === OPUS_SAMPLES) this.#send(sink);
    }
  }

  /** Encodes what is left, filled up with silence; nothing can follow. */
  flush(sink: (packet: Packet) => void): void {
    if (this.#filled > 0) {
      this.#samples.fill(0, this.#filled);
      this.#send(sink);
    }
    FFmpegError.throwIfError(this.#context.sendFrameSync(null), 'Opus, end');
    this.#receive(sink);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.freeContext();
    this.#frame.free();
    this.#packet.free();
  }

  #send(sink: (packet: Packet) => void): void {
    this.#frame.pts = BigInt(this.#position);
    this.#position += OPUS_SAMPLES;
    this.#filled = 0;
    FFmpegError.throwIfError(this.#context.sendFrameSync(this.#frame), 'Opus, sound in');
    this.#receive(sink);
  }

  #receive(sink: (packet: Packet) => void): void {
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      sink(this.#packet);
      this.#packet.unref();
    }
  }
}
