import type { I420Frame } from '../../units.js';
import { CELL, type MotionField } from './field.js';

/**
 * Copies a padded canvas to an output of the same picture size, moved by a field. Everything that allocates happens
 * in the constructor.
 */
export class Warp {
  readonly #from: I420Frame;
  readonly #field: MotionField;
  readonly #rowDx: Int32Array;
  readonly #rowDy: Int32Array;
  readonly #rowsY: Uint8Array[];
  readonly #rowsU: Uint8Array[];
  readonly #rowsV: Uint8Array[];

  constructor(canvas: I420Frame, field: MotionField) {
    this.#from = canvas;
    this.#field = field;
    this.#rowDx = new Int32Array(field.columns);
    this.#rowDy = new Int32Array(field.columns);
    // One view a row, made once: a view made per row and frame would be garbage.
    const rows = (plane: Uint8Array, width: number, height: number, stride: number) =>
      Array.from({ length: height }, (_, j) => plane.subarray(j * stride, j * stride + width));
    this.#rowsY = rows(canvas.y, canvas.width, canvas.height, canvas.strideY);
    this.#rowsU = rows(canvas.u, canvas.width / 2, canvas.height / 2, canvas.strideUV);
    this.#rowsV = rows(canvas.v, canvas.width / 2, canvas.height / 2, canvas.strideUV);
  }

  /** Copies without movement. */
  copy(out: I420Frame): void {
    copyRows(this.#rowsY, out.y, out.strideY);
    copyRows(this.#rowsU, out.u, out.strideUV);
    copyRows(this.#rowsV, out.v, out.strideUV);
  }

  /** Copies what cannot move and samples the rest where the field says. */
  draw(out: I420Frame): void {
    this.copy(out);
    const { columns, rows, spans } = this.#field;
    for (let row = 0; row < rows - 1; row++) {
      const first = spans[2 * row] as number;
      const last = spans[2 * row + 1] as number;
      if (first < last) this.#drawCells(row * columns, row, first, last, out);
    }
  }

  #drawCells(node: number, row: number, first: number, last: number, out: I420Frame): void {
    const { width, height, strideY, strideUV, y, u, v } = this.#from;
    const lines = Math.min(CELL, height - row * CELL);
    for (let j = 0; j < lines; j++) {
      this.#interpolate(node, j, CELL, first, last);
      warpLuma(y, strideY, out.y, out.strideY, row * CELL + j, this.#rowDx, this.#rowDy, first, last, width);
    }
    for (let j = 0; j < lines >> 1; j++) {
      // A chroma sample lies between two rows of luma.
      this.#interpolate(node, 2 * j + 0.5, CELL, first, last);
      const line = row * (CELL / 2) + j;
      warpChroma(
        u, v, strideUV, out.u, out.v, out.strideUV, line, this.#rowDx, this.#rowDy, first, last, width / 2,
      ); // prettier-ignore
    }
  }

  /** The field along one row of pixels, at the columns of nodes. */
  #interpolate(node: number, j: number, cell: number, first: number, last: number): void {
    const { dx, dy, columns } = this.#field;
    for (let c = first; c <= last; c++) {
      const n = node + c;
      const x0 = dx[n] as number;
      const y0 = dy[n] as number;
      this.#rowDx[c] = x0 + (((dx[n + columns] as number) - x0) * j) / cell;
      this.#rowDy[c] = y0 + (((dy[n + columns] as number) - y0) * j) / cell;
    }
  }
}

function copyRows(rows: Uint8Array[], out: Uint8Array, stride: number): void {
  for (let j = 0; j < rows.length; j++) out.set(rows[j] as Uint8Array, j * stride);
}

function warpLuma(
  from: Uint8Array,
  stride: number,
  out: Uint8Array,
  outStride: number,
  line: number,
  rowDx: Int32Array,
  rowDy: Int32Array,
  first: number,
  last: number,
  width: number,
): void {
  const base = line << 16;
  for (let c = first; c < last; c++) {
    const x0 = c * CELL;
    const x1 = x0 + CELL < width ? x0 + CELL : width;
    const dx = rowDx[c] as number;
    const dy = rowDy[c] as number;
    const stepX = 65_536 - (((rowDx[c + 1] as number) - dx) >> 4);
    const stepY = ((rowDy[c + 1] as number) - dy) >> 4;
    let sx = (x0 << 16) - dx;
    let sy = base - dy;
    for (let o = line * outStride + x0, end = o + x1 - x0; o < end; o++) {
      const p = Math.imul(sy >> 16, stride) + (sx >> 16);
      const fx = (sx >> 8) & 255;
      const fy = (sy >> 8) & 255;
      const a = from[p] as number;
      const b = from[p + stride] as number;
      const top = (a << 8) + ((from[p + 1] as number) - a) * fx;
      const bottom = (b << 8) + ((from[p + stride + 1] as number) - b) * fx;
      out[o] = ((top << 8) + (bottom - top) * fy + 32_768) >> 16;
      sx += stepX;
      sy -= stepY;
    }
  }
}

function warpChroma(
  fromU: Uint8Array,
  fromV: Uint8Array,
  stride: number,
  outU: Uint8Array,
  outV: Uint8Array,
  outStride: number,
  line: number,
  rowDx: Int32Array,
  rowDy: Int32Array,
  first: number,
  last: number,
  width: number,
): void {
  const base = line << 16;
  const half = CELL / 2;
  for (let c = first; c < last; c++) {
    const x0 = c * half;
    const x1 = x0 + half < width ? x0 + half : width;
    const dx = (rowDx[c] as number) >> 1;
    const dy = (rowDy[c] as number) >> 1;
    const slopeX = (((rowDx[c + 1] as number) >> 1) - dx) >> 3;
    const slopeY = (((rowDy[c + 1] as number) >> 1) - dy) >> 3;
    // Half a luma pixel to the right of the node, as far as the field goes.
    let sx = (x0 << 16) - dx - (slopeX >> 2);
    let sy = base - dy - (slopeY >> 2);
    if (sx < 0) sx = 0;
    if (sy < 0) sy = 0;
    for (let o = line * outStride + x0, end = o + x1 - x0; o < end; o++) {
      const p = Math.imul(sy >> 16, stride) + (sx >> 16);
      const fx = (sx >> 8) & 255;
      const fy = (sy >> 8) & 255;
      const gx = 256 - fx;
      const gy = 256 - fy;
      const wa = gx * gy;
      const wb = fx * gy;
      const wc = gx * fy;
      const wd = fx * fy;
      const q = p + stride;
      outU[o] =
        ((fromU[p] as number) * wa +
          (fromU[p + 1] as number) * wb +
          (fromU[q] as number) * wc +
          (fromU[q + 1] as number) * wd +
          32_768) >>
        16;
      outV[o] =
        ((fromV[p] as number) * wa +
          (fromV[p + 1] as number) * wb +
          (fromV[q] as number) * wc +
          (fromV[q + 1] as number) * wd +
          32_768) >>
        16;
      sx += 65_536 - slopeX;
      sy -= slopeY;
    }
  }
}
