import { AV_SAMPLE_FMT_FLTP, FF_ENCODER_AAC } from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, type CodecParameters } from 'node-av/lib';
import { SAMPLE_RATE, type Closable } from '../../units.js';
import { MONO } from './opus-encoder.js';

/** Samples of one AAC-LC frame. */
const AAC_SAMPLES = 1024;

/**
 * AAC-LC for files, 48 kHz mono, by FFmpeg's own encoder. Times are samples; the first packet is at −1024, the
 * encoder's priming, which a container takes off again.
 */
export class AacEncoder implements Closable {
  readonly #context = new CodecContext();
  readonly #frame = new Frame();
  readonly #packet = new Packet();
  readonly #samples: Float32Array;
  #filled = 0;
  #position = 0;
  #closed = false;

  /** Throws RangeError for a bit rate that the encoder cannot take. */
  constructor({ bitrateKbps }: { bitrateKbps: number }) {
    const codec = Codec.findEncoderByName(FF_ENCODER_AAC);
    if (codec === null) throw new Error('this build of FFmpeg has no AAC encoder');
    const context = this.#context;
    context.allocContext3(codec);
    context.sampleRate = SAMPLE_RATE;
    context.sampleFormat = AV_SAMPLE_FMT_FLTP;
    context.channelLayout = MONO;
    context.timeBase = new Rational(1, SAMPLE_RATE);
    context.bitRate = BigInt(Math.round(bitrateKbps * 1000));
    try {
      FFmpegError.throwIfError(context.setOption('flags', '+global_header'), 'AAC');
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'AAC');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`AAC refuses ${bitrateKbps} kb/s`, { cause: error });
    }
    this.#packet.alloc();
    this.#frame.alloc();
    this.#frame.format = AV_SAMPLE_FMT_FLTP;
    this.#frame.nbSamples = AAC_SAMPLES;
    this.#frame.sampleRate = SAMPLE_RATE;
    this.#frame.channelLayout = MONO;
    FFmpegError.throwIfError(this.#frame.allocBuffer(), 'sound memory');
    const plane = this.#frame.data?.[0];
    if (plane === undefined) throw new Error('frame without samples');
    this.#samples = new Float32Array(plane.buffer, plane.byteOffset, AAC_SAMPLES);
  }

  /** Fills in what a container has to know. */
  describe(parameters: CodecParameters): void {
    FFmpegError.throwIfError(parameters.fromContext(this.#context), 'AAC parameters');
  }

  /** Encodes samples of any number. `sink` gets packets that are valid only while it runs. */
  encode(samples: Int16Array, sink: (packet: Packet) => void): void {
    for (const sample of samples) {
      this.#samples[this.#filled++] = sample / 32_768;
      if (this.#filled === AAC_SAMPLES) this.#send(sink);
    }
  }

  /** Encodes what is left; nothing can follow. */
  flush(sink: (packet: Packet) => void): void {
    if (this.#filled > 0) this.#send(sink);
    FFmpegError.throwIfError(this.#context.sendFrameSync(null), 'AAC, end');
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
    this.#frame.nbSamples = this.#filled;
    this.#frame.pts = BigInt(this.#position);
    this.#position += this.#filled;
    this.#filled = 0;
    FFmpegError.throwIfError(this.#context.sendFrameSync(this.#frame), 'AAC, sound in');
    this.#receive(sink);
    if (!this.#frame.isWritable) throw new Error('the AAC encoder kept the samples');
  }

  #receive(sink: (packet: Packet) => void): void {
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      sink(this.#packet);
      this.#packet.unref();
    }
  }
}
