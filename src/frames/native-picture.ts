import { AV_LOG_ERROR, AV_PIX_FMT_YUV420P } from 'node-av/constants';
import {
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
} from 'node-av/constants';
import { FFmpegError, Frame, Log } from 'node-av/lib';
import type { Closable, I420Frame } from '../units.js';

// FFmpeg writes to stderr by itself; what matters comes back as a return value.
Log.setLevel(AV_LOG_ERROR);

const EMPTY = new Uint8Array(0);
/** BT.709 limited-range black. */
const BLACK_LUMA = 16;
const NEUTRAL_CHROMA = 128;

/**
 * A picture in memory of FFmpeg: what is written into its planes is what the encoder and the scaler read, without a
 * copy. Planes are as long as `stride × height`, never moved, and end with the padding that SIMD code needs.
 * Starts black. Throws RangeError for a size that is odd or not positive.
 */
export class NativePicture implements I420Frame, Closable {
  static #allocated = 0;

  /** How many pictures this process has ever allocated: a session that runs leaves it as it is. */
  static get allocated(): number {
    return NativePicture.#allocated;
  }

  readonly width: number;
  readonly height: number;
  readonly strideY: number;
  readonly strideUV: number;
  /** What the picture occupies, padding included. */
  readonly bytes: number;
  #y: Uint8Array;
  #u: Uint8Array;
  #v: Uint8Array;
  readonly #frame: Frame;
  #closed = false;

  constructor(width: number, height: number) {
    if (!isEvenSize(width) || !isEvenSize(height)) {
      throw new RangeError(`a picture needs an even width and height, not ${width}×${height}`);
    }
    this.width = width;
    this.height = height;
    this.#frame = new Frame();
    this.#frame.alloc();
    this.#frame.format = AV_PIX_FMT_YUV420P;
    this.#frame.width = width;
    this.#frame.height = height;
    FFmpegError.throwIfError(this.#frame.allocBuffer(), 'frame memory');
    this.#frame.colorRange = AVCOL_RANGE_MPEG;
    this.#frame.colorSpace = AVCOL_SPC_BT709;
    this.#frame.colorPrimaries = AVCOL_PRI_BT709;
    this.#frame.colorTrc = AVCOL_TRC_BT709;
    this.#frame.chromaLocation = AVCHROMA_LOC_LEFT;
    NativePicture.#allocated += 1;
    const [y, u, v] = this.#frame.data ?? [];
    const [strideY = 0, strideUV = 0] = this.#frame.linesize;
    if (y === undefined || u === undefined || v === undefined) throw new Error('frame without planes');
    this.strideY = strideY;
    this.strideUV = strideUV;
    this.bytes = this.#frame.reportedExternalMemory;
    this.#y = view(y, strideY * height);
    this.#u = view(u, (strideUV * height) / 2);
    this.#v = view(v, (strideUV * height) / 2);
    this.#y.fill(BLACK_LUMA);
    this.#u.fill(NEUTRAL_CHROMA);
    this.#v.fill(NEUTRAL_CHROMA);
  }

  get y(): Uint8Array {
    return this.#y;
  }

  get u(): Uint8Array {
    return this.#u;
  }

  get v(): Uint8Array {
    return this.#v;
  }

  /** The frame that the planes belong to; for encoders. */
  get native(): Frame {
    return this.#frame;
  }

  /** Frees the memory. The planes are empty from here on; views that were kept elsewhere must not be used. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#y = this.#u = this.#v = EMPTY;
    this.#frame.free();
  }
}

function isEvenSize(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value % 2 === 0;
}

function view(plane: Buffer, length: number): Uint8Array {
  if (plane.length < length) throw new Error(`plane of ${plane.length} bytes where ${length} are needed`);
  return new Uint8Array(plane.buffer, plane.byteOffset, length);
}
