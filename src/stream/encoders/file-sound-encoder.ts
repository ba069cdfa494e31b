import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, type CodecParameters } from 'node-av/lib';
import type { AVSampleFormat, FFEncoderCodec } from 'node-av/constants';
import { SAMPLE_RATE, type Closable } from '../../units.js';
import { MONO } from './opus-encoder.js';

export interface FileSoundSettings {
  /** As in messages. */
  name: string;
  codec: FFEncoderCodec;
  format: AVSampleFormat;
  /** Samples that go into one packet. */
  frameSamples: number;
  bitrateKbps: number;
  /** Further options of the codec. */
  options?: Readonly<Record<string, string>>;
}

/**
 * A sound encoder for files, 48 kHz mono, in packets of a fixed length; times are samples. What differs between codecs is
 * how samples are put into a frame, and what becomes of a last one that is not full.
 */
export abstract class FileSoundEncoder implements Closable {
  readonly #name: string;
  readonly #context = new CodecContext();
  readonly #frame = new Frame();
  readonly #packet = new Packet();
  readonly #frameSamples: number;
  /** Memory of the frame that is being filled. */
  protected readonly plane: Uint8Array;
  #filled = 0;
  #position = 0;
  #closed = false;

  /** Throws RangeError for a bit rate that the encoder cannot take. */
  constructor({ name, codec: wanted, format, frameSamples, bitrateKbps, options = {} }: FileSoundSettings) {
    const codec = Codec.findEncoderByName(wanted);
    if (codec === null) throw new Error(`this build of FFmpeg has no encoder for ${name}`);
    this.#name = name;
    this.#frameSamples = frameSamples;
    const context = this.#context;
    context.allocContext3(codec);
    context.sampleRate = SAMPLE_RATE;
    context.sampleFormat = format;
    context.channelLayout = MONO;
    context.timeBase = new Rational(1, SAMPLE_RATE);
    context.bitRate = BigInt(Math.round(bitrateKbps * 1000));
    try {
      for (const [option, value] of Object.entries({ flags: '+global_header', ...options })) {
        FFmpegError.throwIfError(context.setOption(option, value), name);
      }
      FFmpegError.throwIfError(context.open2Sync(codec, null), name);
    } catch (error) {
      context.freeContext();
      throw new RangeError(`${name} refuses ${bitrateKbps} kb/s`, { cause: error });
    }
    this.#packet.alloc();
    this.#frame.alloc();
    this.#frame.format = format;
    this.#frame.nbSamples = frameSamples;
    this.#frame.sampleRate = SAMPLE_RATE;
    this.#frame.channelLayout = MONO;
    FFmpegError.throwIfError(this.#frame.allocBuffer(), 'sound memory');
    const plane = this.#frame.data?.[0];
    if (plane === undefined) throw new Error('frame without samples');
    this.plane = plane;
  }

  /** Fills in what a container has to know. */
  describe(parameters: CodecParameters): void {
    FFmpegError.throwIfError(parameters.fromContext(this.#context), `${this.#name} parameters`);
  }

  /** Encodes samples of any number. `sink` gets packets that are valid only while it runs. */
  encode(samples: Int16Array, sink: (packet: Packet) => void): void {
    for (let at = 0; at < samples.length;) {
      const count = Math.min(this.#frameSamples - this.#filled, samples.length - at);
      this.put(samples.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#frameSamples) this.#send(sink, this.#frameSamples);
    }
  }

  /** Encodes what is left; nothing can follow. */
  flush(sink: (packet: Packet) => void): void {
    if (this.#filled > 0) this.#send(sink, this.complete(this.#filled));
    FFmpegError.throwIfError(this.#context.sendFrameSync(null), `${this.#name}, end`);
    this.#receive(sink);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.freeContext();
    this.#frame.free();
    this.#packet.free();
  }

  /** Puts samples into the frame's memory, `at` samples from its beginning. */
  protected abstract put(samples: Int16Array, at: number): void;

  /** Makes a frame ready that holds only so many samples; returns how many go in. */
  protected abstract complete(filled: number): number;

  #send(sink: (packet: Packet) => void, count: number): void {
    this.#frame.nbSamples = count;
    this.#frame.pts = BigInt(this.#position);
    this.#position += count;
    this.#filled = 0;
    FFmpegError.throwIfError(this.#context.sendFrameSync(this.#frame), `${this.#name}, sound in`);
    this.#receive(sink);
    if (!this.#frame.isWritable) throw new Error(`the ${this.#name} encoder kept the samples`);
  }

  #receive(sink: (packet: Packet) => void): void {
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      sink(this.#packet);
      this.#packet.unref();
    }
  }
}
