import { assemble, type Code, i16x8, i32, i32x4, type Kernel, local, repeat } from './assembler.js';
import { wasm, type WasmMemory, type WasmModule } from './wasm.js';

/** The functions of the module. All addresses are bytes of its memory. */
export interface Kernels {
  /** to[i] = from[i] + (next[i] − from[i]) · j / 32 for 32-bit integers; `bytes` is rounded up to 16. */
  lerp(from: number, next: number, to: number, j: number, bytes: number): void;
  /**
   * One row of a plane in cells of 16 pixels: pixel (x, y) is sampled at itself minus the displacement. `y` is in
   * 65,536ths; `dx` and `dy` are rows of nodes, one every cell, in 65,536ths of a pixel; the displacement is constant
   * over 8 pixels. Cells `first` to `last` (not included, at least one) are written.
   */
  luma(from: number, stride: number, y: number, to: number, dx: number, dy: number, first: number, last: number): void;
  /** As `luma` for both chroma planes: cells of 8 samples, the displacement (of luma) halved. */
  chroma(
    fromU: number,
    stride: number,
    y: number,
    toU: number,
    dx: number,
    dy: number,
    first: number,
    last: number,
    fromV: number,
    toV: number,
  ): void;
}

const { get, set, tee } = local;
const c = i32.const;

/** Bilinear sample of eight bytes at address local `p`, fractions in vector locals, stored at `to`. */
function sample(p: number, stride: number, to: Code, fx: number, fy: number, scratch: number): Code {
  const [a, h, h2] = [scratch, scratch + 1, scratch + 2];
  const below = i32.add(get(p), get(stride));
  const across = (address: Code): Code =>
    i16x8.add(
      i16x8.shl(tee(a, i16x8.loadBytes(address)), c(7)),
      i16x8.mul(i16x8.sub(i16x8.loadBytes(address, 1), get(a)), get(fx)),
    );
  const mixed = i16x8.add(get(h), i16x8.mulQ15(i16x8.sub(get(h2), get(h)), get(fy)));
  return [
    ...set(h, across(get(p))),
    ...set(h2, across(below)),
    ...i16x8.storeBytes(to, i16x8.shrU(i16x8.add(mixed, i16x8.splat(c(64))), c(7)), a),
  ];
}

const fractionX = (sx: Code) => i16x8.splat(i32.and(i32.shrS(sx, c(9)), c(127)));
const fractionY = (sy: Code) => i16x8.splat(i32.and(i32.shrS(sy, c(1)), c(0x7fff)));
const at = (stride: number, sx: number, sy: number) =>
  i32.add(i32.mul(i32.shrS(get(sy), c(16)), get(stride)), i32.shrS(get(sx), c(16)));

function lerp(): Kernel {
  const [from, next, to, j, bytes, i] = [0, 1, 2, 3, 4, 5];
  const a = i32x4.load(i32.add(get(from), get(i)));
  const delta = i32x4.sub(i32x4.load(i32.add(get(next), get(i))), a);
  const value = i32x4.add(a, i32x4.shrS(i32x4.mul(delta, i32x4.splat(get(j))), c(5)));
  const body = [...i32x4.store(i32.add(get(to), get(i)), value), ...set(i, i32.add(get(i), c(16)))];
  return { name: 'lerp', parameters: 5, integers: 1, vectors: 0, body: repeat(body, i32.ltS(get(i), get(bytes))) };
}

function luma(): Kernel {
  const [from, stride, y, to, dx, dy, first, last] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [p, x0, xStep, y0, yStep, sx, sy, node] = [8, 9, 10, 11, 12, 13, 14, 15];
  const [fx, fy, scratch] = [16, 17, 18];
  const half = (group: 0 | 1): Code => {
    const part = (value: number, step: number) =>
      group === 0
        ? i32.add(get(value), i32.shrS(get(step), c(2)))
        : i32.sub(i32.add(get(value), get(step)), i32.shrS(get(step), c(2)));
    return [
      ...set(sx, i32.sub(i32.add(i32.shl(get(first), c(20)), c(group << 19)), part(x0, xStep))),
      ...set(sy, i32.sub(get(y), part(y0, yStep))),
      ...set(fx, fractionX(get(sx))),
      ...set(fy, fractionY(get(sy))),
      ...set(p, i32.add(get(from), at(stride, sx, sy))),
      ...sample(p, stride, i32.add(i32.add(get(to), i32.shl(get(first), c(4))), c(group * 8)), fx, fy, scratch),
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
  return { name: 'luma', parameters: 8, integers: 8, vectors: 5, body: repeat(body, i32.ltS(get(first), get(last))) };
}

function chroma(): Kernel {
  const [fromU, stride, y, toU, dx, dy, first, last, fromV, toV] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const [p, offset, sx, sy, node] = [10, 11, 12, 13, 14];
  const [fx, fy, scratch] = [15, 16, 17];
  const middle = (base: number) => {
    const address = i32.add(get(base), get(node));
    return i32.shrS(i32.add(i32.load(address), i32.load(address, 4)), c(2));
  };
  const place = (base: number) => i32.add(get(base), i32.shl(get(first), c(3)));
  const body = [
    ...set(node, i32.shl(get(first), c(2))),
    ...set(sx, i32.sub(i32.shl(get(first), c(19)), middle(dx))),
    ...set(sy, i32.sub(get(y), middle(dy))),
    ...set(fx, fractionX(get(sx))),
    ...set(fy, fractionY(get(sy))),
    ...set(offset, at(stride, sx, sy)),
    ...set(p, i32.add(get(fromU), get(offset))),
    ...sample(p, stride, place(toU), fx, fy, scratch),
    ...set(p, i32.add(get(fromV), get(offset))),
    ...sample(p, stride, place(toV), fx, fy, scratch),
    ...set(first, i32.add(get(first), c(1))),
  ];
  return {
    name: 'chroma',
    parameters: 10,
    integers: 5,
    vectors: 5,
    body: repeat(body, i32.ltS(get(first), get(last))),
  };
}

let compiled: WasmModule | undefined;

/** Makes the functions over a memory. The module is compiled once a process. */
export function loadKernels(memory: WasmMemory): Kernels {
  compiled ??= new wasm.Module(assemble([lerp(), luma(), chroma()]));
  return new wasm.Instance(compiled, { env: { memory } }).exports as unknown as Kernels;
}
