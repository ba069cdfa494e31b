import { assemble, type Code, i16x8, i32, i32x4, type Kernel, local, repeat } from './assembler.js';
import { wasm, type WasmMemory, type WasmModule } from './wasm.js';

/** Size of the table of weights: 64 fractions of a pixel, four weights of 16 bits, across and then down. */
export const TABLE_BYTES = 64 * 4 * 2 * 2;

/**
 * How much of a wave of four pixels every sample keeps. Linear sampling keeps all of it on a pixel and 71 % between two,
 * so a picture that moves slowly would go soft and sharp in turn; these samples keep the same everywhere.
 */
const KEPT = 0.93;

/** Weights of the pixels at −1, 0, 1, 2 for a place `t` 0…1: linear, sharpened by what linear loses there. */
export function weightsAt(t: number): [number, number, number, number] {
  const s = (1 - KEPT / Math.hypot(1 - t, t)) / 2;
  return [s * (1 - t), 1 - t + s * (3 * t - 2), t + s * (1 - 3 * t), s * t];
}

/** The table: weights across add up to 32,768, those down to 64. */
export function weightTable(): Int16Array {
  const table = new Int16Array(TABLE_BYTES / 2);
  for (const [half, one] of [32_768, 64].entries()) {
    for (let i = 0; i < 64; i++) {
      const weights = weightsAt(i / 64).map((weight) => Math.round(weight * one));
      const largest = i < 32 ? 1 : 2;
      weights[largest] = (weights[largest] ?? 0) + one - weights.reduce((sum, weight) => sum + weight, 0);
      table.set(weights, half * 256 + i * 4);
    }
  }
  return table;
}

/** The functions of the module. All addresses are bytes of its memory. */
export interface Kernels {
  /** to[i] = from[i] + (next[i] − from[i]) · j / 32 for 32-bit integers; `bytes` is rounded up to 16. */
  lerp(from: number, next: number, to: number, j: number, bytes: number): void;
  /**
   * One row of a plane in cells of 16 pixels: pixel (x, y) is sampled at itself minus the displacement. `y` is in
   * 65,536ths; `dx` and `dy` are rows of nodes, one every cell, in 65,536ths of a pixel; the displacement is constant
   * over 8 pixels. Cells `first` to `last` (not included, at least one) are written. `table` is a `weightTable`.
   */
  luma(
    ...args: [
      from: number,
      stride: number,
      y: number,
      to: number,
      dx: number,
      dy: number,
      first: number,
      last: number,
      table: number,
    ]
  ): void;
  /** As `luma` for both chroma planes: cells of 8 samples, the displacement (of luma) halved. */
  chroma(
    ...args: [
      fromU: number,
      stride: number,
      y: number,
      toU: number,
      dx: number,
      dy: number,
      first: number,
      last: number,
      table: number,
      fromV: number,
      toV: number,
    ]
  ): void;
}

const { get, set } = local;
const c = i32.const;

/**
 * Eight pixels from the 4 rows and 11 columns that begin at address local `p`, which is moved on. `wx` and `wy` are
 * addresses of four weights: across in 32,768ths, down in 64ths.
 */
function sample(p: number, stride: number, to: Code, wx: number, wy: number, scratch: number): Code {
  const [low, high] = [scratch, scratch + 1];
  const rows = [0, 1, 2, 3].flatMap((row) => {
    const weighed = (offset: number) => i16x8.mul(i16x8.loadBytes(get(p), offset), i16x8.loadSplat(get(wy), 2 * row));
    return [
      ...set(low, row === 0 ? weighed(0) : i16x8.add(get(low), weighed(0))),
      ...set(high, row === 0 ? weighed(8) : i16x8.add(get(high), weighed(8))),
      ...(row < 3 ? set(p, i32.add(get(p), get(stride))) : []),
    ];
  });
  const across = [0, 1, 2, 3]
    .map((column) => {
      const shifted = column === 0 ? get(low) : i16x8.window(get(low), get(high), column);
      return i16x8.mulQ15(shifted, i16x8.loadSplat(get(wx), 2 * column));
    })
    .reduce((sum, next) => i16x8.add(sum, next));
  return [...rows, ...i16x8.storeBytes(to, i16x8.shrS(i16x8.add(across, i16x8.splat(c(32))), c(6)), low)];
}

/** Address of the weights for the fraction of a coordinate in 65,536ths. */
const weightsOf = (table: number, coordinate: Code) => i32.add(get(table), i32.and(i32.shrS(coordinate, c(7)), c(504)));
/** Offset of the top left one of the pixels that a sample is made of. */
const at = (stride: number, sx: number, sy: number) =>
  i32.add(i32.mul(i32.sub(i32.shrS(get(sy), c(16)), c(1)), get(stride)), i32.sub(i32.shrS(get(sx), c(16)), c(1)));

function lerp(): Kernel {
  const [from, next, to, j, bytes, i] = [0, 1, 2, 3, 4, 5];
  const a = i32x4.load(i32.add(get(from), get(i)));
  const delta = i32x4.sub(i32x4.load(i32.add(get(next), get(i))), a);
  const value = i32x4.add(a, i32x4.shrS(i32x4.mul(delta, i32x4.splat(get(j))), c(5)));
  const body = [...i32x4.store(i32.add(get(to), get(i)), value), ...set(i, i32.add(get(i), c(16)))];
  return { name: 'lerp', parameters: 5, integers: 1, vectors: 0, body: repeat(body, i32.ltS(get(i), get(bytes))) };
}

function luma(): Kernel {
  const [from, stride, y, to, dx, dy, first, last, table] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const [p, x0, xStep, y0, yStep, sx, sy, node, wx, wy] = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
  const scratch = 19;
  const half = (group: 0 | 1): Code => {
    const part = (value: number, step: number) =>
      group === 0
        ? i32.add(get(value), i32.shrS(get(step), c(2)))
        : i32.sub(i32.add(get(value), get(step)), i32.shrS(get(step), c(2)));
    return [
      ...set(sx, i32.sub(i32.add(i32.shl(get(first), c(20)), c(group << 19)), part(x0, xStep))),
      ...set(sy, i32.sub(get(y), part(y0, yStep))),
      ...set(wx, weightsOf(table, get(sx))),
      ...set(wy, i32.add(weightsOf(table, get(sy)), c(TABLE_BYTES / 2))),
      ...set(p, i32.add(get(from), at(stride, sx, sy))),
      ...sample(p, stride, i32.add(i32.add(get(to), i32.shl(get(first), c(4))), c(group * 8)), wx, wy, scratch),
    ];
  };
  const body = [
    ...set(node, i32.shl(get(first), c(2))),
    ...set(x0, i32.load(i32.add(get(dx), get(node)))),
    ...set(xStep, i32.sub(i32.load(i32.add(get(dx), get(node)), 4), get(x0))),
    ...set(y0, i32.load(i32.add(get(dy), get(node)))),
    ...set(yStep, i32.sub(i32.load(i32.add(get(dy), get(node)), 4), get(y0))),
    ...half(0),
    ...half(1),
    ...set(first, i32.add(get(first), c(1))),
  ];
  return { name: 'luma', parameters: 9, integers: 10, vectors: 2, body: repeat(body, i32.ltS(get(first), get(last))) };
}

function chroma(): Kernel {
  const [fromU, stride, y, toU, dx, dy, first, last, table, fromV, toV] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const [p, offset, sx, sy, node, wx, wy] = [11, 12, 13, 14, 15, 16, 17];
  const scratch = 18;
  const middle = (base: number) => {
    const address = i32.add(get(base), get(node));
    return i32.shrS(i32.add(i32.load(address), i32.load(address, 4)), c(2));
  };
  const place = (base: number) => i32.add(get(base), i32.shl(get(first), c(3)));
  const body = [
    ...set(node, i32.shl(get(first), c(2))),
    ...set(sx, i32.sub(i32.shl(get(first), c(19)), middle(dx))),
    ...set(sy, i32.sub(get(y), middle(dy))),
    ...set(wx, weightsOf(table, get(sx))),
    ...set(wy, i32.add(weightsOf(table, get(sy)), c(TABLE_BYTES / 2))),
    ...set(offset, at(stride, sx, sy)),
    ...set(p, i32.add(get(fromU), get(offset))),
    ...sample(p, stride, place(toU), wx, wy, scratch),
    ...set(p, i32.add(get(fromV), get(offset))),
    ...sample(p, stride, place(toV), wx, wy, scratch),
    ...set(first, i32.add(get(first), c(1))),
  ];
  return {
    name: 'chroma',
    parameters: 11,
    integers: 7,
    vectors: 2,
    body: repeat(body, i32.ltS(get(first), get(last))),
  };
}

let compiled: WasmModule | undefined;

/** Makes the functions over a memory. The module is compiled once a process. */
export function loadKernels(memory: WasmMemory): Kernels {
  compiled ??= new wasm.Module(assemble([lerp(), luma(), chroma()]));
  return new wasm.Instance(compiled, { env: { memory } }).exports as unknown as Kernels;
}
