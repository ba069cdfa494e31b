import {
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
} from 'node-av/constants';
import { FF_ENCODER_LIBX264 } from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Rational } from 'node-av/lib';
import type { PooledFrame } from '../../frames/frame-pool.js';
import { FRAME_RATE, type AccessUnit, type Closable } from '../../units.js';
import { UnitEncoder } from './unit-encoder.js';

/** What a `VideoEncoder` is made for. Throws RangeError for values that x264 cannot take. */
export interface VideoEncoderOptions {
  width: number;
  height: number;
  /** Speed preset of libx264, `ultrafast` … `medium`; default `ultrafast` live, `veryfast` offline. */
  x264Preset?: string;
  /** Live: upper limit of the bit rate. Offline: not used. */
  bitrateKbps: number;
  /**
   * `live` (default): constrained baseline, bit rate capped over 3 pictures, an IDR only when it is asked for.
   * `offline`: high profile, constant quality, an IDR at least every 5 s so that players can seek.
   * `still`: high profile, constant quantiser, an IDR only when it is asked for: a picture that does not change is
   * coded once, and after it almost nothing.
   */
  mode?: 'live' | 'offline' | 'still';
  /** Quality that is aimed at, 0 (lossless) … 51; default 23 live, 18 offline, 21 still (there the quantiser). */
  crf?: number;
  /** Pictures a second as a fraction; default 25. Only told to players: pictures are numbered. */
  rate?: { num: number; den: number };
  /** Slices that are encoded at the same time; default 1 live, 2 offline. */
  threads?: number;
}

/** Pictures over which the live bit rate is held: a larger burst would wait on the way and add delay. */
const VBV_FRAMES = 3;
/**
 * Bytes of x264 for each pixel of the picture, by speed preset: its pictures with their margins and half-pixel planes,
 * more of them where more references are kept.
 */
const X264_BYTES_PER_PIXEL: Record<string, number> = { ultrafast: 13.5, superfast: 20.5, veryfast: 20.5, medium: 31.5 };
/** `faster` and `fast`. */
const X264_BYTES_PER_PIXEL_BETWEEN = 27;

/** What x264 allocates with one thread and no look-ahead: measured from 360p to 1080p, single measurements lie up to 20 % beside it. */
function x264Bytes(width: number, height: number, x264Preset: string): number {
  return width * height * (X264_BYTES_PER_PIXEL[x264Preset] ?? X264_BYTES_PER_PIXEL_BETWEEN);
}

/** Still pictures do not fade: looking for weights costs a fifth of the time and changes no byte. */
const X264_PARAMS = {
  live: 'keyint=infinite:scenecut=0',
  offline: 'scenecut=0',
  still: 'keyint=infinite:scenecut=0:weightp=0',
};
/** A keyframe, and as many others as fill the rate buffer again. */
const WARM_UP_FRAMES = 1 + VBV_FRAMES;
const OFFLINE_GOP_FRAMES = 5 * FRAME_RATE;

/**
 * H.264 by libx264: one picture in, one access unit out, never delayed. Output is an Annex B byte stream with SPS and
 * PPS before every IDR (ITU-T H.264, annex B), tagged BT.709 limited range; PTS are frame numbers.
 *
 * `AccessUnit.data` is the encoder's own buffer, valid until the next call of `encode`: whoever keeps it copies it.
 */
export class VideoEncoder implements Closable {
  readonly #context: CodecContext;
  readonly #units: UnitEncoder;
  /** Size of the pictures. */
  readonly width: number;
  readonly height: number;
  readonly #live: boolean;
  readonly #x264Preset: string;
  #lastFrame = -1;
  #warming = false;
  #closed = false;

  constructor(options: VideoEncoderOptions) {
    const { width, height, bitrateKbps, mode = 'live', rate = { num: FRAME_RATE, den: 1 } } = options;
    this.width = width;
    this.height = height;
    this.#live = mode === 'live';
    const x264Preset = options.x264Preset ?? (this.#live ? 'ultrafast' : 'veryfast');
    this.#x264Preset = x264Preset;
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBX264);
    if (codec === null) throw new Error('this build of FFmpeg has no libx264');
    const context = new CodecContext();
    context.allocContext3(codec);
    this.#context = context;
    context.width = width;
    context.height = height;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.timeBase = new Rational(rate.den, rate.num);
    context.framerate = new Rational(rate.num, rate.den);
    context.colorRange = AVCOL_RANGE_MPEG;
    context.colorSpace = AVCOL_SPC_BT709;
    context.colorPrimaries = AVCOL_PRI_BT709;
    context.colorTrc = AVCOL_TRC_BT709;
    context.chromaLocation = AVCHROMA_LOC_LEFT;
    context.maxBFrames = 0;
    context.threadCount = options.threads ?? (this.#live ? 1 : 2);
    if (mode === 'offline') context.gopSize = OFFLINE_GOP_FRAMES;
    try {
      // Options go in one by one: a Dictionary given to open2 is freed twice.
      this.#set('preset', x264Preset);
      this.#set('tune', 'zerolatency');
      this.#set('profile', this.#live ? 'baseline' : 'high');
      this.#set('forced-idr', '1');
      if (mode === 'still') this.#set('qp', String(options.crf ?? 21));
      else this.#set('crf', String(options.crf ?? (this.#live ? 23 : 18)));
      this.#set('x264-params', X264_PARAMS[mode]);
      if (this.#live) this.#applyBitrate(bitrateKbps);
      FFmpegError.throwIfError(context.open2Sync(codec, null), 'libx264');
    } catch (error) {
      context.freeContext();
      throw new RangeError(`libx264 refuses ${width}×${height}, preset ${x264Preset}, ${bitrateKbps} kb/s`, {
        cause: error,
      });
    }
    this.#units = new UnitEncoder(context, 'libx264');
  }

  /**
   * Encodes a picture a few times for nobody, on a thread of libuv's pool: the first pictures of a new encoder take many
   * times as long as later ones, which touch no new memory. Before the first `encode`; `frame` must not change until the
   * promise resolves. The copies cost next to no bits, so the bit rate is unspent again when the first real one comes.
   */
  async warmUp(frame: PooledFrame): Promise<void> {
    if (this.#closed || this.#lastFrame >= 0) return;
    this.#warming = true;
    const { native } = frame;
    try {
      for (let n = -WARM_UP_FRAMES; n < 0 && !this.#closed; n++) {
        native.pts = BigInt(n);
        native.pictType = AV_PICTURE_TYPE_NONE;
        FFmpegError.throwIfError(await this.#context.sendFrame(native), 'libx264, picture in');
        FFmpegError.throwIfError(await this.#context.receivePacket(this.#units.packet), 'libx264, packet out');
        this.#units.packet.unref();
      }
    } finally {
      this.#warming = false;
      if (this.#closed) this.#free();
    }
  }

  /**
   * Encodes picture `n`, a number that rises from call to call, on the calling thread: the pool of libuv would free
   * the event loop for 4 ms of 40 at 720p, but costs 10 % more CPU and a worse p99. The frame is not kept. Throws
   * RangeError for a frame of another size or an `n` that does not rise.
   */
  encode(frame: PooledFrame, n: number, forceIdr = false): AccessUnit {
    if (this.#closed || this.#warming) throw new RangeError('the encoder is closed, or warms up');
    if (frame.width !== this.width || frame.height !== this.height) {
      throw new RangeError(`a frame of ${frame.width}×${frame.height} for ${this.width}×${this.height}`);
    }
    if (!Number.isSafeInteger(n) || n <= this.#lastFrame) {
      throw new RangeError(`frame ${n} after frame ${this.#lastFrame}`);
    }
    this.#lastFrame = n;
    return this.#units.encode(frame, n, forceIdr);
  }

  /** Memory that it holds: the output buffer, and an estimate for x264. */
  get bytes(): number {
    return this.#closed ? 0 : this.#units.bytes + x264Bytes(this.width, this.height, this.#x264Preset);
  }

  /**
   * Changes the upper limit of the bit rate from the next picture on; live only. A burst may be as large as at
   * `burstKbps`: pictures that come less often may each be larger. Throws RangeError below 1.
   */
  setBitrate(bitrateKbps: number, burstKbps = bitrateKbps): void {
    if (!this.#live) throw new RangeError('an offline encoder has a quality, not a bit rate');
    this.#applyBitrate(bitrateKbps, burstKbps);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#warming) this.#free();
  }

  #free(): void {
    this.#units.free();
  }

  #applyBitrate(bitrateKbps: number, burstKbps = bitrateKbps): void {
    if (!(bitrateKbps >= 1 && burstKbps >= bitrateKbps)) throw new RangeError(`a bit rate of ${bitrateKbps} kb/s`);
    this.#context.rcMaxRate = BigInt(Math.round(bitrateKbps * 1000));
    this.#context.rcBufferSize = Math.round(((burstKbps * 1000) / FRAME_RATE) * VBV_FRAMES);
  }

  #set(name: string, value: string): void {
    FFmpegError.throwIfError(this.#context.setOption(name, value), `option ${name}=${value}`);
  }
}
