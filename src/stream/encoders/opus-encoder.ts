import { AV_CHANNEL_ORDER_NATIVE, AV_SAMPLE_FMT_S16, FF_ENCODER_LIBOPUS } from 'node-av/constants';
import {
  Codec,
  CodecContext,
  CodecParameters,
  FFmpegError,
  Frame,
  Packet,
  Rational,
  type ChannelLayout,
} from 'node-av/lib';
import { CHUNK_SAMPLES, OPUS_SAMPLES, SAMPLE_RATE, type Closable, type OpusPacket } from '../../units.js';

/** FFmpeg's name for one channel in the middle. */
export const MONO: ChannelLayout = { order: AV_CHANNEL_ORDER_NATIVE, nbChannels: 1, mask: 4n };
/** Loss that the in-band error correction is made for; without it libopus leaves the correction out. */
const EXPECTED_LOSS_PERCENT = 10;

/** Memory of one encoder, libopus and FFmpeg together: measured as 42.5 kB. */
export const OPUS_BYTES = 45_000;

/** What an `OpusEncoder` is made for. */
export interface OpusEncoderOptions {
  /** 6 … 510; 32 to 48 is good for speech. */
  bitrateKbps: number;
}

/**
 * Opus by libopus (RFC 6716, 7587): mono, 20 ms, in-band error correction on, no silence suppression, so that the
 * cadence never stops.
 *
 * A packet holds exactly the 960 samples that it is numbered with: `OpusPacket.sample` is the position of its first
 * sample. A decoder gives sample s back `delaySamples` later (312 = 6.5 ms, the encoder's look-ahead): who wants to be
 * exact to the sample takes that off the timestamp; every packet has the same offset, so it never adds up.
 */
export class OpusEncoder implements Closable {
  /** By how many samples decoded sound is behind the samples that went in. */
  readonly delaySamples: number;
  readonly #context = new CodecContext();
  readonly #frame = new Frame();
  readonly #packet = new Packet();
  readonly #samples: Int16Array;
  #closed = false;

  /** Throws RangeError for a bit rate that libopus cannot take. */
  constructor({ bitrateKbps }: OpusEncoderOptions) {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBOPUS);
    if (codec === null) throw new Error('this build of FFmpeg has no libopus');
    const context = this.#context;
    context.allocContext3(codec);
    context.sampleRate = SAMPLE_RATE;
    context.sampleFormat = AV_SAMPLE_FMT_S16;
    context.channelLayout = MONO;
    context.timeBase = new Rational(1, SAMPLE_RATE);
    try {
      context.bitRate = BigInt(Math.round(bitrateKbps * 1000));
      this.#set('application', 'voip');
      this.#set('frame_duration', '20');
      this.#set('fec', '1');
      this.#set('packet_loss', String(EXPECTED_LOSS_PERCENT));
      this.#set('dtx', '0');
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'libopus');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`libopus refuses ${bitrateKbps} kb/s`, { cause: error });
    }
    const parameters = new CodecParameters();
    parameters.alloc();
    parameters.fromContext(context);
    this.delaySamples = parameters.initialPadding;
    parameters.free();
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
  }

  /**
   * Encodes 40 ms whose first sample is number `firstSample` into two packets. Their bytes belong to the caller.
   * Throws RangeError for another length.
   */
  encode(samples: Int16Array, firstSample: number): OpusPacket[] {
    if (this.#closed) throw new RangeError('the encoder is closed');
    if (samples.length !== CHUNK_SAMPLES) throw new RangeError(`${samples.length} samples, not ${CHUNK_SAMPLES}`);
    return [this.#encodeHalf(samples, 0, firstSample), this.#encodeHalf(samples, OPUS_SAMPLES, firstSample)];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // FFmpeg writes a warning to stderr when the look-ahead is left in the encoder.
    this.#context.sendFrameSync(null);
    while (this.#context.receivePacketSync(this.#packet) >= 0) this.#packet.unref();
    this.#context.freeContext();
    this.#frame.free();
    this.#packet.free();
  }

  #encodeHalf(samples: Int16Array, offset: number, firstSample: number): OpusPacket {
    this.#samples.set(samples.subarray(offset, offset + OPUS_SAMPLES));
    this.#frame.pts = BigInt(firstSample + offset);
    FFmpegError.throwIfError(this.#context.sendFrameSync(this.#frame), 'libopus, sound in');
    FFmpegError.throwIfError(this.#context.receivePacketSync(this.#packet), 'libopus, packet out');
    const packed = this.#packet.data;
    if (packed === null) throw new Error('libopus gave an empty packet');
    const packet = { data: Uint8Array.prototype.slice.call(packed), sample: firstSample + offset };
    this.#packet.unref();
    return packet;
  }

  #set(name: string, value: string): void {
    FFmpegError.throwIfError(this.#context.setOption(name, value), `option ${name}=${value}`);
  }
}
