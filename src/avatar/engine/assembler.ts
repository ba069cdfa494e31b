/**
 * A very small WebAssembly assembler: expressions that return bytes. Only what the kernels need.
 * WebAssembly Core Specification 2.0, sections 5.4 (instructions) and 5.5 (modules).
 */
export type Code = number[];

function unsigned(value: number): Code {
  const bytes: Code = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

function signed(value: number): Code {
  const bytes: Code = [];
  for (;;) {
    const byte = value & 127;
    value >>= 7;
    if ((value === 0 && !(byte & 64)) || (value === -1 && byte & 64)) return [...bytes, byte];
    bytes.push(byte | 128);
  }
}

const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)];
const binary = (opcode: Code) => (a: Code, b: Code) => [...a, ...b, ...opcode];
const unary = (opcode: Code) => (a: Code) => [...a, ...opcode];

/** 32-bit integers. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: (address: Code, offset = 0): Code => [...address, 0x28, 2, ...unsigned(offset)],
  ltS: binary([0x48]),
  add: binary([0x6a]),
  sub: binary([0x6b]),
  mul: binary([0x6c]),
  and: binary([0x71]),
  shl: binary([0x74]),
  shrS: binary([0x75]),
};

/** Vectors of 8 × 16 bits. Shifts take the count as a plain integer. */
export const i16x8 = {
  /** Eight bytes of memory, widened. */
  loadBytes: (address: Code, offset = 0): Code => [...address, ...simd(0x02), 0, ...unsigned(offset)],
  /** Two bytes of memory in all lanes. */
  loadSplat: (address: Code, offset = 0): Code => [...address, ...simd(0x08), 1, ...unsigned(offset)],
  /** Lanes `from` … `from + 7` of the sixteen lanes of a and b. */
  window: (a: Code, b: Code, from: number): Code => [
    ...a,
    ...b,
    ...simd(0x0d),
    ...Array.from({ length: 16 }, (_, i) => 2 * from + i),
  ],
  splat: unary(simd(0x10)),
  shrS: binary(simd(0x8c)),
  add: binary(simd(0x8e)),
  mul: binary(simd(0x95)),
  /** (a · b + 2^14) >> 15, signed. */
  mulQ15: binary(simd(0x82)),
  /** Stores the eight lanes as bytes, saturated. */
  storeBytes: (address: Code, value: Code, spare: number): Code => [
    ...address,
    ...value,
    ...local.tee(spare, []),
    ...local.get(spare),
    ...simd(0x66),
    ...simd(0x5b),
    0,
    0,
    0,
  ],
};

/** Vectors of 4 × 32 bits. */
export const i32x4 = {
  load: (address: Code): Code => [...address, ...simd(0x00), 2, 0],
  store: (address: Code, value: Code): Code => [...address, ...value, ...simd(0x0b), 2, 0],
  splat: unary(simd(0x11)),
  shrS: binary(simd(0xac)),
  add: binary(simd(0xae)),
  sub: binary(simd(0xb1)),
  mul: binary(simd(0xb5)),
};

/** Locals by index; parameters come first. */
export const local = {
  get: (index: number): Code => [0x20, index],
  set: (index: number, value: Code): Code => [...value, 0x21, index],
  tee: (index: number, value: Code): Code => [...value, 0x22, index],
};

/** Repeats `body` while `condition` holds after it. */
export function repeat(body: Code, condition: Code): Code {
  return [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];
}

/** A function of 32-bit parameters without a result. */
export interface Kernel {
  name: string;
  parameters: number;
  /** Further locals: 32-bit integers, then vectors. */
  integers: number;
  vectors: number;
  body: Code;
}

/** A module that imports its memory as `env.memory` and exports the kernels. */
export function assemble(kernels: Kernel[]): Uint8Array<ArrayBuffer> {
  const text = (value: string): Code => [value.length, ...Buffer.from(value, 'ascii')];
  const section = (id: number, entries: Code[]): Code => {
    const content = [...unsigned(entries.length), ...entries.flat()];
    return [id, ...unsigned(content.length), ...content];
  };
  const types = kernels.map(({ parameters }) => [0x60, parameters, ...Array<number>(parameters).fill(0x7f), 0]);
  const bodies = kernels.map(({ integers, vectors, body }) => {
    const content = [2, integers, 0x7f, vectors, 0x7b, ...body, 0x0b];
    return [...unsigned(content.length), ...content];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [[...text('env'), ...text('memory'), 2, 0, 1]]),
    ...section(
      3,
      kernels.map((_, index) => [index]),
    ),
    ...section(
      7,
      kernels.map(({ name }, index) => [...text(name), 0, index]),
    ),
    ...section(10, bodies),
  ]);
}
