import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';

export interface UploadStoreOptions {
  /** Where the files go: a folder that is the program's own. Made when only it is missing, readable only to the user. */
  dir: string;
  /** Largest upload; a function is asked for each. */
  maxBytes: number | (() => number);
  /** Opens a new file for writing; replaced in tests of a full disk. */
  createFile?: (path: string) => Writable;
}

/** An upload that is complete. */
export interface Upload {
  path: string;
  bytes: number;
  /** Deletes the file; twice is harmless. */
  remove(): Promise<void>;
  /**
   * Gives the file another name on the same disk, and to the caller: the store knows it no longer. When that fails the
   * file is removed. Throws as `receive`.
   */
  handOver(path: string): Promise<void>;
}

/**
 * Keeps uploads as files with random names until they are removed or handed over, at the latest until the store is
 * closed.
 */
export class UploadStore implements Closable {
  readonly #dir: string;
  readonly #maxBytes: () => number;
  readonly #createFile: (path: string) => Writable;
  readonly #paths = new Set<string>();
  readonly #receiving = new AbortController();
  readonly #pending = new Set<Promise<unknown>>();

  constructor(options: UploadStoreOptions) {
    this.#dir = options.dir;
    const { maxBytes } = options;
    this.#maxBytes = typeof maxBytes === 'function' ? maxBytes : () => maxBytes;
    this.#createFile = options.createFile ?? ((path) => createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  }

  /** Files that are there or being written. */
  get count(): number {
    return this.#paths.size;
  }

  /**
   * Writes an upload to a file. When it fails, nothing of it stays.
   * @param options.maxBytes A limit smaller than the store's.
   * @throws DhError `body_too_large`; `disk_full`; `media_unavailable` when the disk cannot be written;
   * `bad_request` when the sender went away; `shutting_down`.
   */
  async receive(stream: Readable, options: { maxBytes?: number } = {}): Promise<Upload> {
    if (this.#receiving.signal.aborted) throw shuttingDown();
    const most = this.#maxBytes();
    const maxBytes = Math.min(options.maxBytes ?? most, most);
    const path = join(this.#dir, randomUUID());
    this.#paths.add(path);
    const work = this.#write(stream, path, maxBytes);
    this.#pending.add(work);
    try {
      const bytes = await work;
      return {
        path,
        bytes,
        remove: () => this.#remove(path),
        handOver: (to) => this.#handOver(path, to),
      };
    } catch (error) {
      await this.#remove(path);
      throw this.#explain(error);
    } finally {
      this.#pending.delete(work);
    }
  }

  /** Stops what is being received and deletes all files. */
  async close(): Promise<void> {
    this.#receiving.abort();
    await Promise.allSettled(this.#pending);
    await Promise.all([...this.#paths].map((path) => this.#remove(path)));
  }

  async #write(stream: Readable, path: string, maxBytes: number): Promise<number> {
    // Nothing is awaited before the pipeline listens: the error of a sender that goes away would be nobody's.
    this.#makeDir();
    let bytes = 0;
    const count = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const part of source) {
        bytes += part.length;
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        yield part;
      }
    };
    const file = this.#createFile(path);
    // A file that is still being opened when the sender goes away appears after that: it is gone only when closed.
    const closed = new Promise<void>((resolve) => file.once('close', resolve));
    try {
      await pipeline(stream, count, file, { signal: this.#receiving.signal });
    } finally {
      file.destroy();
      await closed;
    }
    return bytes;
  }

  #makeDir(): void {
    try {
      mkdirSync(this.#dir, { mode: 0o700 });
    } catch {
      // It is there, or opening the file says what is wrong.
    }
  }

  async #handOver(path: string, to: string): Promise<void> {
    try {
      await rename(path, to);
      this.#paths.delete(path);
    } catch (error) {
      await this.#remove(path);
      throw this.#explain(error);
    }
  }

  async #remove(path: string): Promise<void> {
    await rm(path, { force: true });
    this.#paths.delete(path);
  }

  #explain(error: unknown): DhError {
    if (error instanceof DhError) return error;
    if (this.#receiving.signal.aborted) return shuttingDown();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return new DhError('disk_full', 'there is no space left for the upload', {
        hint: 'Free space on the disk that holds the temporary files, or set TMPDIR to another one.',
        cause: error,
      });
    }
    if (code === 'EACCES' || code === 'EROFS' || code === 'EIO' || code === 'ENOENT' || code === 'EMFILE') {
      return new DhError('media_unavailable', `the upload cannot be written: ${message}`, { cause: error });
    }
    return new DhError('bad_request', `the upload was cut off: ${message}`, { cause: error });
  }
}

function tooLarge(maxBytes: number): DhError {
  return new DhError('body_too_large', `the upload is larger than ${Math.floor(maxBytes / 1e6)} MB`, {
    hint: 'Send a shorter or more compressed file, or raise the limit in the configuration.',
  });
}

function shuttingDown(): DhError {
  return new DhError('shutting_down', 'the server is shutting down');
}
