import type { Rect, RgbPicture } from './source.js';

/** Where the three planes of a picture are to be written: one buffer each, with the offset of the first pixel. */
export interface PlaneTarget {
  y: Uint8Array;
  u: Uint8Array;
  v: Uint8Array;
  strideY: number;
  strideUV: number;
}

// BT.709 limited range (ITU-R BT.709-6, section 3), scaled by 2^16.
const YR = 11966;
const YG = 40254;
const YB = 4064;
const UR = -6596;
const UG = -22189;
const UB = 28785;
const VR = 28784;
const VG = -26145;
const VB = -2639;
const HALF = 1 << 15;
const LUMA_ZERO = (16 << 16) + HALF;
// Chroma is computed from the sum of four pixels, hence two more bits.
const CHROMA_ZERO = (128 << 18) + (1 << 17);

/**
 * Converts sRGB to I420, BT.709 limited range. Each chroma sample is the mean of its own 2 × 2 pixels and of nothing
 * outside, so a patch and its base agree wherever their pixels do. Width and height must be even.
 */
export function rgbToI420(rgb: RgbPicture, out: PlaneTarget): void {
  const { data, width, height } = rgb;
  if (width % 2 || height % 2) throw new RangeError(`${width} × ${height} is not even.`);
  const row = width * 3;
  for (let j = 0; j < height; j += 2) {
    let p = j * row;
    let y0 = j * out.strideY;
    let c = (j >> 1) * out.strideUV;
    for (let i = 0; i < width; i += 2, p += 6, y0 += 2, c++) {
      let r4 = 0;
      let g4 = 0;
      let b4 = 0;
      for (let k = 0; k < 4; k++) {
        const q = p + (k & 1) * 3 + (k >> 1) * row;
        const r = data[q] ?? 0;
        const g = data[q + 1] ?? 0;
        const b = data[q + 2] ?? 0;
        out.y[y0 + (k & 1) + (k >> 1) * out.strideY] = (YR * r + YG * g + YB * b + LUMA_ZERO) >> 16;
        r4 += r;
        g4 += g;
        b4 += b;
      }
      out.u[c] = (UR * r4 + UG * g4 + UB * b4 + CHROMA_ZERO) >> 18;
      out.v[c] = (VR * r4 + VG * g4 + VB * b4 + CHROMA_ZERO) >> 18;
    }
  }
}

/** Planes of a picture without row padding that starts at `offset` of `buffer`. */
export function packedPlanes(buffer: Uint8Array, offset: number, width: number, height: number): PlaneTarget {
  const luma = width * height;
  return {
    y: buffer.subarray(offset, offset + luma),
    u: buffer.subarray(offset + luma, offset + luma + luma / 4),
    v: buffer.subarray(offset + luma + luma / 4, offset + luma + luma / 2),
    strideY: width,
    strideUV: width / 2,
  };
}

/** Repeats the last column and row into the padding of a plane. */
export function extendEdges(plane: Uint8Array, width: number, height: number, stride: number): void {
  for (let j = 0; j < height; j++) plane.fill(plane[j * stride + width - 1] ?? 0, j * stride + width, (j + 1) * stride);
  plane.copyWithin(height * stride, (height - 1) * stride, height * stride);
}

/** The smallest rectangle around all pixels of `a` that differ from `b` by more than `tolerance`, or null. */
export function differenceRect(a: RgbPicture, b: RgbPicture, at: Rect, tolerance: number): Rect | null {
  let left = a.width;
  let right = -1;
  let top = a.height;
  let bottom = -1;
  for (let j = 0; j < a.height; j++) {
    const p = j * a.width * 3;
    const q = ((at.y + j) * b.width + at.x) * 3;
    for (let i = 0; i < a.width * 3; i++) {
      if (Math.abs((a.data[p + i] ?? 0) - (b.data[q + i] ?? 0)) <= tolerance) continue;
      const x = (i / 3) | 0;
      if (x < left) left = x;
      if (x > right) right = x;
      if (j < top) top = j;
      bottom = j;
    }
  }
  return right < 0 ? null : { x: at.x + left, y: at.y + top, width: right - left + 1, height: bottom - top + 1 };
}

/** A part of a picture, as a copy. `rect` lies inside. */
export function cropRgb(picture: RgbPicture, rect: Rect): RgbPicture {
  const data = new Uint8Array(rect.width * rect.height * 3);
  for (let j = 0; j < rect.height; j++) {
    const from = ((rect.y + j) * picture.width + rect.x) * 3;
    data.set(picture.data.subarray(from, from + rect.width * 3), j * rect.width * 3);
  }
  return { data, width: rect.width, height: rect.height };
}

/** Writes `a + (b − a) · weight` over `a`; both of one size. */
export function fadeInto(a: RgbPicture, b: RgbPicture, weight: number): void {
  for (let i = 0; i < a.data.length; i++) {
    const value = a.data[i] ?? 0;
    a.data[i] = Math.round(value + ((b.data[i] ?? 0) - value) * weight);
  }
}
