import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { DhError } from '../../errors.js';
import { UploadStore } from '../../media/upload-store.js';
import type { Closable } from '../../units.js';
import type { AgeLedger } from './age-ledger.js';

export interface RenderUploadsOptions {
  /** Where finished uploads are kept, named by their ids; it is there. */
  folder: string;
  /** Where they are written until they are whole, on the same disk; emptied at the start. */
  receiving: string;
  ages: AgeLedger;
  /** Largest upload. */
  maxFileBytes: () => number;
  /** Most space of all. */
  maxBytes: () => number;
}

/** Small files take this much of the space: that bounds their number, and what is remembered of them, too. */
const LEAST_BYTES = 64_000;

/** The files that clients sent for renders, until no render uses them and they are old. */
export class RenderUploads implements Closable {
  readonly #options: RenderUploadsOptions;
  readonly #store: UploadStore;
  /** Space that each takes, by id. */
  readonly #sizes = new Map<string, number>();
  /** What each render uses. */
  readonly #used = new Map<string, Set<string>>();
  #bytes = 0;
  #receivingBytes = 0;

  private constructor(options: RenderUploadsOptions) {
    this.#options = options;
    this.#store = new UploadStore({ dir: options.receiving, maxBytes: options.maxFileBytes });
  }

  /** Finds what an earlier server has kept, and removes what it had not received whole. */
  static async open(options: RenderUploadsOptions): Promise<RenderUploads> {
    await rm(options.receiving, { recursive: true, force: true });
    const uploads = new RenderUploads(options);
    for (const id of await readdir(options.folder)) {
      const stats = await stat(join(options.folder, id)).catch(() => null);
      if (!stats?.isFile()) continue;
      uploads.#add(id, stats.size);
      options.ages.adopt(ageName(id), stats.mtimeMs);
    }
    return uploads;
  }

  /** Names in the ledger of ages. */
  names(): string[] {
    return [...this.#sizes.keys()].map(ageName);
  }

  /** Takes in a file. Throws `body_too_large`, `disk_full`, `audio_invalid` (nothing in it), and as `UploadStore`. */
  async receive(stream: Readable): Promise<{ id: string; bytes: number }> {
    const room = this.#options.maxBytes() - this.#bytes - this.#receivingBytes;
    if (room < LEAST_BYTES) {
      throw new DhError('disk_full', 'Uploads for renders take all the space that they may.', {
        hint: 'Delete renders that ended, wait until old uploads are removed, or raise renders.maxUploadsMb.',
      });
    }
    const reserved = Math.min(this.#options.maxFileBytes(), room);
    this.#receivingBytes += reserved;
    try {
      const upload = await this.#store.receive(stream, { maxBytes: reserved });
      const { path, bytes } = upload;
      if (bytes === 0) {
        await upload.remove();
        throw new DhError('audio_invalid', 'The body is empty.', {
          hint: 'Send a sound file or a picture as the body.',
        });
      }
      const id = basename(path);
      await upload.handOver(join(this.#options.folder, id));
      this.#add(id, bytes);
      this.#options.ages.touch(ageName(id));
      return { id, bytes };
    } finally {
      this.#receivingBytes -= reserved;
    }
  }

  path(id: string): string {
    return join(this.#options.folder, id);
  }

  /** Lets a render use an upload: it stays until `release`. Throws `not_found`. */
  use(id: string, render: string): void {
    if (!this.#sizes.has(id)) {
      throw new DhError('not_found', `There is no upload ${id}.`, { hint: 'POST /api/v1/renders/uploads first.' });
    }
    this.adopt(render, [id]);
    this.touch([id]);
  }

  /** As `use`, for a render of an earlier server: what is no longer there is left to it to find out. */
  adopt(render: string, ids: readonly string[]): void {
    const used = this.#used.get(render) ?? new Set();
    for (const id of ids) used.add(id);
    this.#used.set(render, used);
  }

  /** A render is no longer there. Returns what it used and no other render uses. */
  release(render: string): string[] {
    const used = this.#used.get(render) ?? [];
    this.#used.delete(render);
    return [...used].filter((id) => !this.#isUsed(id));
  }

  /** Their ages begin anew. */
  touch(ids: readonly string[]): void {
    for (const id of ids) if (this.#sizes.has(id)) this.#options.ages.touch(ageName(id));
  }

  /** Deletes them, whether they are used or not. */
  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const size = this.#sizes.get(id);
      if (size === undefined) continue;
      // Known no more before it is gone: nobody takes it up in between.
      this.#sizes.delete(id);
      this.#bytes -= size;
      this.#options.ages.forget(ageName(id));
      await rm(join(this.#options.folder, id), { force: true });
    }
  }

  /** Removes those that were last used longer ago than `keepMs`. */
  async sweep(keepMs: number): Promise<void> {
    for (const id of [...this.#sizes.keys()]) {
      if (!this.#isUsed(id) && this.#options.ages.age(ageName(id)) > keepMs) await this.remove([id]);
    }
  }

  /** Ends what is being received; the others stay. */
  async close(): Promise<void> {
    await this.#store.close();
  }

  #isUsed(id: string): boolean {
    return [...this.#used.values()].some((used) => used.has(id));
  }

  #add(id: string, bytes: number): void {
    const size = Math.max(LEAST_BYTES, bytes);
    this.#sizes.set(id, size);
    this.#bytes += size;
  }
}

function ageName(id: string): string {
  return `upload:${id}`;
}
