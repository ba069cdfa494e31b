import { AV_PIX_FMT_YUV420P, FF_ENCODER_LIBVPX_VP8 } from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Rational } from 'node-av/lib';
import type { PooledFrame } from '../../frames/frame-pool.js';
import { FRAME_RATE, type AccessUnit, type Closable } from '../../units.js';
import { UnitEncoder } from './unit-encoder.js';

export interface Vp8EncoderOptions {
  width: number;
  height: number;
  bitrateKbps: number;
}

/**
 * Options of libvpx. At `cpu-used` 16 a picture costs 1.6 times the CPU of x264 `ultrafast`, at 8 three times. The
 * quality limit keeps it from spending all of the bit rate on a picture that hardly moves.
 */
const OPTIONS = {
  deadline: 'realtime',
  'cpu-used': '16',
  'lag-in-frames': '0',
  'auto-alt-ref': '0',
  'max-intra-rate': '400',
  crf: '10',
};
/** What libvpx holds for each pixel: measured with ten encoders at 720p. */
const BYTES_PER_PIXEL = 32;

/**
 * VP8 by libvpx, for viewers without H.264: one picture in, one frame out, never delayed; a keyframe only when it is
 * asked for. Memory and numbering as `VideoEncoder`.
 */
export class Vp8Encoder implements Closable {
  readonly width: number;
  readonly height: number;
  readonly #units: UnitEncoder;
  #closed = false;

  /** Throws RangeError for values that libvpx cannot take. */
  constructor({ width, height, bitrateKbps }: Vp8EncoderOptions) {
    this.width = width;
    this.height = height;
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBVPX_VP8);
    if (codec === null) throw new Error('this build of FFmpeg has no libvpx');
    const context = new CodecContext();
    context.allocContext3(codec);
    context.width = width;
    context.height = height;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.timeBase = new Rational(1, FRAME_RATE);
    context.framerate = new Rational(FRAME_RATE, 1);
    context.threadCount = 1;
    context.gopSize = 1_000_000;
    context.bitRate = BigInt(Math.round(bitrateKbps * 1000));
    try {
      for (const [name, value] of Object.entries(OPTIONS)) {
        FFmpegError.throwIfError(context.setOption(name, value), `option ${name}=${value}`);
      }
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'libvpx');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`libvpx refuses ${width}×${height}, ${bitrateKbps} kb/s`, { cause: error });
    }
    this.#units = new UnitEncoder(context, 'libvpx');
  }

  /** Encodes picture `n`, a number that rises from call to call; the first is a keyframe. The frame is not kept. */
  encode(frame: PooledFrame, n: number, forceKeyFrame = false): AccessUnit {
    return this.#units.encode(frame, n, forceKeyFrame);
  }

  /** Memory that it holds: the output buffer, and an estimate for libvpx. */
  get bytes(): number {
    return this.#closed ? 0 : this.#units.bytes + this.width * this.height * BYTES_PER_PIXEL;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#units.free();
  }
}
