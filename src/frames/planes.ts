import type { I420Frame } from '../units.js';

/** A rectangle in pixels of luma; all four are even, so that chroma has whole pixels. */
export interface EvenRect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Luma and chroma of one colour, BT.709 limited range. */
export interface YuvColor {
  y: number;
  u: number;
  v: number;
}

/** Fills a rectangle of a picture with one colour. */
export function fillRect(frame: I420Frame, rect: EvenRect, color: YuvColor): void {
  if (rect.width <= 0 || rect.height <= 0) return;
  fillPlane(frame.y, frame.strideY, rect.x, rect.y, rect.width, rect.height, color.y);
  const [x, y, width, height] = [rect.x >> 1, rect.y >> 1, rect.width >> 1, rect.height >> 1];
  fillPlane(frame.u, frame.strideUV, x, y, width, height, color.u);
  fillPlane(frame.v, frame.strideUV, x, y, width, height, color.v);
}

/** Copies `src`, whole, to (x, y) of `dst`; both even. Throws RangeError when it does not fit. */
export function copyFrame(src: I420Frame, dst: I420Frame, x = 0, y = 0): void {
  if (x < 0 || y < 0 || x + src.width > dst.width || y + src.height > dst.height) {
    throw new RangeError(`${src.width}×${src.height} at ${x},${y} does not fit into ${dst.width}×${dst.height}`);
  }
  copyPlane(src.y, src.strideY, src.width, src.height, dst.y, dst.strideY, x, y);
  const [halfWidth, halfHeight] = [src.width >> 1, src.height >> 1];
  copyPlane(src.u, src.strideUV, halfWidth, halfHeight, dst.u, dst.strideUV, x >> 1, y >> 1);
  copyPlane(src.v, src.strideUV, halfWidth, halfHeight, dst.v, dst.strideUV, x >> 1, y >> 1);
}

function fillPlane(
  plane: Uint8Array,
  stride: number,
  x: number,
  y: number,
  width: number,
  height: number,
  value: number,
): void {
  if (width === stride && x === 0) {
    plane.fill(value, y * stride, (y + height) * stride);
    return;
  }
  for (let row = y; row < y + height; row++) plane.fill(value, row * stride + x, row * stride + x + width);
}

function copyPlane(
  src: Uint8Array,
  strideSrc: number,
  width: number,
  height: number,
  dst: Uint8Array,
  strideDst: number,
  x: number,
  y: number,
): void {
  if (strideSrc === strideDst && x === 0 && width === strideSrc) {
    const length = strideSrc * height;
    dst.set(src.length === length ? src : src.subarray(0, length), y * strideDst);
    return;
  }
  for (let row = 0; row < height; row++) {
    dst.set(src.subarray(row * strideSrc, row * strideSrc + width), (y + row) * strideDst + x);
  }
}
