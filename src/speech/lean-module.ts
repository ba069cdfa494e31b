import { closeSync, openSync, readSync } from 'node:fs';

/** A module without its data, and the data's way into the memory of an instance. */
export interface LeanModule {
  /** The module as it is to be compiled. */
  code: Uint8Array;
  /** Puts the data where the whole module would have put it, once, into a fresh instance's memory. */
  fill(memory: Uint8Array): void;
  /** Closes the file. */
  close(): void;
}

const HEADER_BYTES = 8;
const CUSTOM_SECTION = 0;
const DATA_SECTION = 11;
/** A section's or segment's head is a few numbers of at most five bytes. */
const HEAD_BYTES = 32;

interface Segment {
  /** In the file. */
  at: number;
  /** In the instance's memory. */
  offset: number;
  length: number;
}

/**
 * Reads a WebAssembly module so that its data never lies in memory twice: V8 keeps the bytes that a module was compiled
 * from, so a module with 17 MB of tables would cost that much again for as long as it lives. Here the sections of code
 * alone are compiled (names are left out as well), and the tables go from the file straight into the instance's memory.
 * WebAssembly Core Specification 2.0, section 5.5: active segments of memory 0 at a constant address.
 *
 * @throws Error when the file is no such module
 */
export function openLeanModule(path: string): LeanModule {
  const file = openSync(path, 'r');
  try {
    const kept: Uint8Array[] = [read(file, 0, HEADER_BYTES)];
    if (Buffer.from(kept[0]!).readUInt32LE() !== 0x6d736100) throw new Error(`${path} is no WebAssembly module.`);
    let segments: Segment[] = [];
    for (let at = HEADER_BYTES; ;) {
      const head = new Head(read(file, at, HEAD_BYTES));
      if (head.over) break;
      const id = head.byte();
      const length = head.number();
      const content = at + head.position;
      if (id === DATA_SECTION) segments = segmentsOf(file, content);
      else if (id !== CUSTOM_SECTION) kept.push(read(file, at, head.position + length));
      at = content + length;
    }
    return {
      code: Buffer.concat(kept),
      fill: (memory) => {
        for (const { at, offset, length } of segments) {
          const got = readSync(file, memory, offset, length, at);
          if (got !== length) throw new Error(`${path} is cut short.`);
        }
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function segmentsOf(file: number, content: number): Segment[] {
  const counted = new Head(read(file, content, HEAD_BYTES));
  const count = counted.number();
  const segments: Segment[] = [];
  let at = content + counted.position;
  for (let i = 0; i < count; i++) {
    const head = new Head(read(file, at, HEAD_BYTES));
    // Mode 0 is "active, memory 0"; then i32.const, its value, and end.
    if (head.number() !== 0 || head.byte() !== 0x41) throw new Error('A data segment without a constant address.');
    const offset = head.number();
    if (head.byte() !== 0x0b) throw new Error('A data segment without a constant address.');
    const length = head.number();
    segments.push({ at: at + head.position, offset, length });
    at += head.position + length;
  }
  return segments;
}

/** Reads numbers one after another. */
class Head {
  position = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get over(): boolean {
    return this.position >= this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.position++];
    if (value === undefined) throw new Error('A WebAssembly module that is cut short.');
    return value;
  }

  /** LEB128 of what is not negative: signed and unsigned are read alike. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }
}

/** At most `length` bytes: fewer at the end of the file. */
function read(file: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, at));
}
