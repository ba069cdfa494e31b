import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
  FF_ENCODER_LIBVPX_VP9,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Packet, Rational } from 'node-av/lib';
import type { PooledFrame } from '../frames/frame-pool.js';
import type { AccessUnit, Closable } from '../units.js';
import type { FrameRate } from './frame-grid.js';

/** What a `VpxEncoder` is made for. */
export interface VpxEncoderOptions {
  width: number;
  height: number;
  rate: FrameRate;
  /** For pictures that do not change: better key frames. */
  still: boolean;
}

/** Longest stretch without a key frame, when none is asked for, in pictures. */
const GOP_FRAMES = 125;

/** VP9 by libvpx for files: constant quality, one picture in, one packet out. The packet's bytes are the caller's. */
export class VpxEncoder implements Closable {
  readonly #context = new CodecContext();
  readonly #packet = new Packet();
  #closed = false;

  constructor({ width, height, rate, still }: VpxEncoderOptions) {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBVPX_VP9);
    if (codec === null) throw new Error('this build of FFmpeg has no VP9 encoder');
    const context = this.#context;
    context.allocContext3(codec);
    context.width = width;
    context.height = height;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.timeBase = new Rational(rate.den, rate.num);
    context.framerate = new Rational(rate.num, rate.den);
    context.colorRange = AVCOL_RANGE_MPEG;
    context.colorSpace = AVCOL_SPC_BT709;
    context.colorPrimaries = AVCOL_PRI_BT709;
    context.colorTrc = AVCOL_TRC_BT709;
    context.threadCount = still ? 1 : 2;
    context.gopSize = still ? 100_000 : GOP_FRAMES;
    context.bitRate = 0n;
    try {
      const options = {
        deadline: 'realtime',
        'cpu-used': still ? '5' : '8',
        'lag-in-frames': '0',
        'auto-alt-ref': '0',
        crf: still ? '24' : '30',
        'row-mt': '1',
        'tile-columns': '2',
      };
      for (const [name, value] of Object.entries(options)) {
        FFmpegError.throwIfError(context.setOption(name, value), `option ${name}=${value}`);
      }
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'VP9');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`VP9 refuses ${width}×${height}`, { cause: error });
    }
    this.#packet.alloc();
  }

  /** Encodes picture `n`, a number that rises. The frame is not kept. */
  encode(frame: PooledFrame, n: number, forceKey = false): AccessUnit {
    const { native } = frame;
    native.pts = BigInt(n);
    native.pictType = forceKey ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(this.#context.sendFrameSync(native), 'VP9, picture in');
    FFmpegError.throwIfError(this.#context.receivePacketSync(this.#packet), 'VP9, packet out');
    const packed = this.#packet.data;
    if (packed === null) throw new Error('VP9 gave an empty packet');
    const unit = { data: Uint8Array.from(packed), keyFrame: this.#packet.isKeyframe, frame: n };
    this.#packet.unref();
    return unit;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.freeContext();
    this.#packet.free();
  }
}
