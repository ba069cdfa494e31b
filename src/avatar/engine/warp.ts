import type { I420Frame } from '../../units.js';
import { basePlanes } from '../baked.js';
import { CELL, type MotionField } from './field.js';
import { type Kernels, loadKernels, TABLE_BYTES, weightTable } from './kernels.js';
import { wasm } from './wasm.js';

const PAGE_BYTES = 65_536;
const HALF = CELL / 2;

/** Views of one row of a plane: what never moves on its left and right, and the row of the band that replaces the rest. */
interface RowViews {
  left: Uint8Array;
  moved: Uint8Array;
  right: Uint8Array;
}

/**
 * Holds a padded canvas and copies it, moved by a field, to an output of the same picture size. The sampling runs in
 * WebAssembly over memory of its own, a band of 16 rows at a time. Everything that allocates happens in the constructor.
 */
export class Warp {
  /** What is to be moved. Write into it freely. */
  readonly canvas: I420Frame;
  /** Memory that it takes. */
  readonly bytes: number;
  readonly #field: MotionField;
  readonly #kernels: Kernels;
  readonly #address: { y: number; u: number; v: number; bandY: number; bandU: number; bandV: number };
  readonly #nodes: { dx: number; dy: number; rowDx: number; rowDy: number; rowBytes: number };
  readonly #table: number;
  readonly #nodeDx: Int32Array;
  readonly #nodeDy: Int32Array;
  readonly #still: { y: Uint8Array[]; u: Uint8Array[]; v: Uint8Array[] };
  readonly #rows: { y: RowViews[]; u: RowViews[]; v: RowViews[] };

  /** The canvas begins as a copy of `base`, a picture with the padding of baked bases. */
  constructor(base: I420Frame, field: MotionField) {
    const { width, height, strideY, strideUV } = base;
    const { lumaBytes, chromaBytes } = basePlanes(width, height);
    this.#field = field;
    let end = 0;
    const reserve = (bytes: number) => {
      const start = end;
      end = Math.ceil((end + bytes) / 64) * 64;
      return start;
    };
    const bandStride = field.columns * CELL;
    this.#address = {
      y: reserve(lumaBytes),
      u: reserve(chromaBytes),
      v: reserve(chromaBytes),
      bandY: reserve(CELL * bandStride),
      bandU: reserve((HALF * bandStride) / 2),
      bandV: reserve((HALF * bandStride) / 2),
    };
    const rowBytes = field.columns * 4;
    const nodeBytes = field.dx.byteLength;
    // A row of nodes is read and written in steps of 16 bytes, past its end.
    this.#nodes = {
      dx: reserve(nodeBytes + 16),
      dy: reserve(nodeBytes + 16),
      rowDx: reserve(rowBytes + 16),
      rowDy: reserve(rowBytes + 16),
      rowBytes,
    };
    this.#table = reserve(TABLE_BYTES);
    const pages = Math.ceil(end / PAGE_BYTES);
    const memory = new wasm.Memory({ initial: pages, maximum: pages });
    this.bytes = pages * PAGE_BYTES;
    this.#kernels = loadKernels(memory);
    new Int16Array(memory.buffer, this.#table, TABLE_BYTES / 2).set(weightTable());
    this.#nodeDx = new Int32Array(memory.buffer, this.#nodes.dx, field.dx.length);
    this.#nodeDy = new Int32Array(memory.buffer, this.#nodes.dy, field.dy.length);
    const at = this.#address;
    const view = (offset: number, bytes: number) => new Uint8Array(memory.buffer, offset, bytes);
    this.canvas = {
      ...{ width, height, strideY, strideUV },
      y: view(at.y, lumaBytes),
      u: view(at.u, chromaBytes),
      v: view(at.v, chromaBytes),
    };
    this.canvas.y.set(base.y);
    this.canvas.u.set(base.u);
    this.canvas.v.set(base.v);

    // One view a row, made once: a view made for each row and frame would be garbage.
    const still = (start: number, w: number, h: number, stride: number) =>
      Array.from({ length: h }, (_, j) => view(start + j * stride, w));
    this.#still = {
      y: still(at.y, width, height, strideY),
      u: still(at.u, width / 2, height / 2, strideUV),
      v: still(at.v, width / 2, height / 2, strideUV),
    };
    const rows = (start: number, band: number, w: number, h: number, stride: number, cell: number): RowViews[] =>
      Array.from({ length: h }, (_, j) => {
        const cellRow = Math.floor(j / cell);
        const first = Math.min(w, (field.spans[2 * cellRow] ?? 0) * cell);
        const last = Math.max(first, Math.min(w, (field.spans[2 * cellRow + 1] ?? 0) * cell));
        const bandRow = band + (j % cell) * field.columns * cell;
        return {
          left: view(start + j * stride, first),
          moved: view(bandRow + first, last - first),
          right: view(start + j * stride + last, w - last),
        };
      });
    this.#rows = {
      y: rows(at.y, at.bandY, width, height, strideY, CELL),
      u: rows(at.u, at.bandU, width / 2, height / 2, strideUV, HALF),
      v: rows(at.v, at.bandV, width / 2, height / 2, strideUV, HALF),
    };
  }

  /** Copies without movement. */
  copy(out: I420Frame): void {
    copyRows(this.#still.y, out.y, out.strideY);
    copyRows(this.#still.u, out.u, out.strideUV);
    copyRows(this.#still.v, out.v, out.strideUV);
  }

  /** Copies what cannot move and samples the rest where the field says. */
  draw(out: I420Frame): void {
    this.#nodeDx.set(this.#field.dx);
    this.#nodeDy.set(this.#field.dy);
    for (let row = 0; row < this.#field.rows - 1; row++) this.#drawBand(row, out);
  }

  #drawBand(row: number, out: I420Frame): void {
    const { spans, columns } = this.#field;
    const { height, strideY, strideUV } = this.canvas;
    const first = spans[2 * row] as number;
    const last = spans[2 * row + 1] as number;
    const { y, u, v, bandY, bandU, bandV } = this.#address;
    const { rowDx, rowDy } = this.#nodes;
    const stride = columns * CELL;
    const lines = Math.min(CELL, height - row * CELL);
    for (let j = 0; j < lines; j++) {
      const line = row * CELL + j;
      if (first < last) {
        this.#interpolate(row, 2 * j);
        this.#kernels.luma(y, strideY, line << 16, bandY + j * stride, rowDx, rowDy, first, last, this.#table);
      }
      writeRow(this.#rows.y[line] as RowViews, out.y, line * out.strideY);
    }
    for (let j = 0; j < lines >> 1; j++) {
      const line = row * HALF + j;
      if (first < last) {
        // A chroma sample lies between two rows of luma.
        this.#interpolate(row, 4 * j + 1);
        const to = (j * stride) / 2;
        this.#kernels.chroma(
          u,
          strideUV,
          line << 16,
          bandU + to,
          rowDx,
          rowDy,
          first,
          last,
          this.#table,
          v,
          bandV + to,
        );
      }
      writeRow(this.#rows.u[line] as RowViews, out.u, line * out.strideUV);
      writeRow(this.#rows.v[line] as RowViews, out.v, line * out.strideUV);
    }
  }

  /** The field along one row of pixels, `j` half rows below a row of nodes. */
  #interpolate(row: number, j: number): void {
    const { dx, dy, rowDx, rowDy, rowBytes } = this.#nodes;
    const start = row * rowBytes;
    this.#kernels.lerp(dx + start, dx + start + rowBytes, rowDx, j, rowBytes);
    this.#kernels.lerp(dy + start, dy + start + rowBytes, rowDy, j, rowBytes);
  }
}

function copyRows(rows: Uint8Array[], out: Uint8Array, stride: number): void {
  for (let j = 0; j < rows.length; j++) out.set(rows[j] as Uint8Array, j * stride);
}

function writeRow(row: RowViews, out: Uint8Array, offset: number): void {
  const { left, moved, right } = row;
  if (left.length > 0) out.set(left, offset);
  if (moved.length > 0) out.set(moved, offset + left.length);
  if (right.length > 0) out.set(right, offset + left.length + moved.length);
}
