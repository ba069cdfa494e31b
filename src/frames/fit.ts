import { AV_PIX_FMT_YUV420P, SWS_AREA, SWS_BILINEAR } from 'node-av/constants';
import { FFmpegError, SoftwareScaleContext } from 'node-av/lib';
import type { Closable, I420Frame } from '../units.js';
import { NativePicture } from './native-picture.js';
import { copyFrame, fillRect, type EvenRect, type YuvColor } from './planes.js';
import { ShapeBuffers, type ShapeBuffersStats } from './shape-buffers.js';

/** Near-black, a little above the black of limited range, so that the bars do not look like a fault. */
export const DEFAULT_PAD: YuvColor = { y: 20, u: 128, v: 128 };

/** How many scalers of different shapes stay. */
const KEPT_SCALERS = 3;

interface Scaler {
  context: SoftwareScaleContext;
  srcWidth: number;
  srcHeight: number;
  /** Where the picture goes in the destination. */
  rect: EvenRect;
  dstWidth: number;
  dstHeight: number;
  lastUse: number;
  strideSrc: number[];
  strideDst: number[];
}

/**
 * The largest rectangle of the aspect `srcWidth : srcHeight` inside a picture, centred, on even pixels.
 */
export function fitRect(srcWidth: number, srcHeight: number, dstWidth: number, dstHeight: number): EvenRect {
  const scale = Math.min(dstWidth / srcWidth, dstHeight / srcHeight);
  const width = Math.max(2, Math.min(dstWidth, 2 * Math.round((srcWidth * scale) / 2)));
  const height = Math.max(2, Math.min(dstHeight, 2 * Math.round((srcHeight * scale) / 2)));
  return { x: 2 * Math.floor((dstWidth - width) / 4), y: 2 * Math.floor((dstHeight - height) / 4), width, height };
}

/**
 * Resize and pad: any picture into any other, whole and undistorted, the rest filled with the pad colour. Scaling is
 * swscale's (area when it shrinks, bilinear when it grows) straight into the destination; a picture that already has
 * the size is copied. All memory is reused: the same shapes again allocate nothing.
 */
export class Fit implements Closable {
  readonly #buffers: ShapeBuffers;
  readonly #ownsBuffers: boolean;
  readonly #pad: YuvColor;
  readonly #scalers: Scaler[] = [];
  readonly #srcPlanes: Buffer[] = [];
  readonly #dstPlanes: Buffer[] = [];
  #uses = 0;

  /** `buffers` may be shared with others that run in the same tick; without it the fit owns its own. */
  constructor({ buffers, pad = DEFAULT_PAD }: { buffers?: ShapeBuffers; pad?: YuvColor } = {}) {
    this.#ownsBuffers = buffers === undefined;
    this.#buffers = buffers ?? new ShapeBuffers();
    this.#pad = pad;
  }

  /** Draws `src` into all of `dst`. Neither is kept. */
  fitInto(src: I420Frame, dst: I420Frame): void {
    if (src.width === dst.width && src.height === dst.height) {
      copyFrame(src, dst);
      return;
    }
    const scaler = this.#scaler(src, dst);
    const { rect } = scaler;
    if (rect.width === src.width && rect.height === src.height) {
      copyFrame(src, dst, rect.x, rect.y);
    } else if (dst instanceof NativePicture) {
      this.#scale(scaler, src, dst, rect.x, rect.y);
    } else {
      const scaled = this.#buffers.get('fit:scaled', rect.width, rect.height);
      this.#scale(scaler, src, scaled, 0, 0);
      copyFrame(scaled, dst, rect.x, rect.y);
    }
    // After the picture: swscale writes whole vectors and may touch a few pixels to its right.
    this.#fillAround(dst, rect);
  }

  /** Counters of the scratch pictures. */
  stats(): ShapeBuffersStats {
    return this.#buffers.stats();
  }

  /** Frees the scratch pictures; those that are still needed are made again. Returns how many bytes that were. */
  trim(): number {
    return this.#ownsBuffers ? this.#buffers.trim() : 0;
  }

  close(): void {
    for (const { context } of this.#scalers.splice(0)) context.freeContext();
    if (this.#ownsBuffers) this.#buffers.close();
  }

  #scale(scaler: Scaler, src: I420Frame, dst: NativePicture, x: number, y: number): void {
    // swscale reads whole vectors, which only memory with padding behind it allows.
    let source = src;
    if (!(src instanceof NativePicture)) {
      source = this.#buffers.get('fit:source', src.width, src.height);
      copyFrame(src, source);
    }
    setPlanes(this.#srcPlanes, source, 0, 0);
    setPlanes(this.#dstPlanes, dst, x, y);
    setStrides(scaler.strideSrc, source);
    setStrides(scaler.strideDst, dst);
    const rows = scaler.context.scaleSync(
      this.#srcPlanes,
      scaler.strideSrc,
      0,
      src.height,
      this.#dstPlanes,
      scaler.strideDst,
    );
    FFmpegError.throwIfError(rows, 'resize');
  }

  #fillAround(dst: I420Frame, rect: EvenRect): void {
    const right = rect.x + rect.width;
    const bottom = rect.y + rect.height;
    fillRect(dst, { x: 0, y: 0, width: dst.width, height: rect.y }, this.#pad);
    fillRect(dst, { x: 0, y: bottom, width: dst.width, height: dst.height - bottom }, this.#pad);
    fillRect(dst, { x: 0, y: rect.y, width: rect.x, height: rect.height }, this.#pad);
    fillRect(dst, { x: right, y: rect.y, width: dst.width - right, height: rect.height }, this.#pad);
  }

  #scaler(src: I420Frame, dst: I420Frame): Scaler {
    this.#uses += 1;
    for (const scaler of this.#scalers) {
      if (
        scaler.srcWidth === src.width &&
        scaler.srcHeight === src.height &&
        scaler.dstWidth === dst.width &&
        scaler.dstHeight === dst.height
      ) {
        scaler.lastUse = this.#uses;
        return scaler;
      }
    }
    const rect = fitRect(src.width, src.height, dst.width, dst.height);
    const context = new SoftwareScaleContext();
    const flags = rect.width < src.width ? SWS_AREA : SWS_BILINEAR;
    const format = AV_PIX_FMT_YUV420P;
    context.getContext(src.width, src.height, format, rect.width, rect.height, format, flags);
    this.#scalers.sort((a, b) => b.lastUse - a.lastUse);
    for (const old of this.#scalers.splice(KEPT_SCALERS - 1)) old.context.freeContext();
    const scaler: Scaler = {
      context,
      srcWidth: src.width,
      srcHeight: src.height,
      rect,
      dstWidth: dst.width,
      dstHeight: dst.height,
      lastUse: this.#uses,
      strideSrc: [0, 0, 0],
      strideDst: [0, 0, 0],
    };
    this.#scalers.push(scaler);
    return scaler;
  }
}

function setPlanes(planes: Buffer[], frame: I420Frame, x: number, y: number): void {
  planes[0] = from(frame.y, y * frame.strideY + x);
  const offset = (y >> 1) * frame.strideUV + (x >> 1);
  planes[1] = from(frame.u, offset);
  planes[2] = from(frame.v, offset);
}

function from(plane: Uint8Array, offset: number): Buffer {
  return Buffer.from(plane.buffer, plane.byteOffset + offset, plane.length - offset);
}

function setStrides(strides: number[], frame: I420Frame): void {
  strides[0] = frame.strideY;
  strides[1] = frame.strideUV;
  strides[2] = frame.strideUV;
}
