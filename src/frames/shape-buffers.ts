import type { Closable } from '../units.js';
import { NativePicture } from './native-picture.js';

interface Entry {
  purpose: string;
  picture: NativePicture;
  lastUse: number;
}

/** Counters of `ShapeBuffers`. */
export interface ShapeBuffersStats {
  shapes: number;
  bytes: number;
  /** How many pictures were allocated since the start. */
  allocations: number;
}

/**
 * Scratch pictures for resize and pad, reused by purpose and shape. The most recently used ones (3 unless told) stay,
 * older ones are freed.
 */
export class ShapeBuffers implements Closable {
  readonly #keep: number;
  readonly #entries: Entry[] = [];
  #uses = 0;
  #allocations = 0;

  constructor({ keep = 3 }: { keep?: number } = {}) {
    if (!Number.isInteger(keep) || keep < 1) throw new RangeError(`at least one shape is kept, not ${keep}`);
    this.#keep = keep;
  }

  /**
   * The scratch picture of this purpose and shape, contents as they were left. It belongs to the buffers and is valid
   * until as many other shapes as are kept have been asked for. Throws RangeError for an odd width or height.
   */
  get(purpose: string, width: number, height: number): NativePicture {
    this.#uses += 1;
    for (const entry of this.#entries) {
      if (entry.purpose === purpose && entry.picture.width === width && entry.picture.height === height) {
        entry.lastUse = this.#uses;
        return entry.picture;
      }
    }
    const picture = new NativePicture(width, height);
    this.#allocations += 1;
    this.trim(this.#keep - 1);
    this.#entries.push({ purpose, picture, lastUse: this.#uses });
    return picture;
  }

  /** Frees all but the `keep` most recently used. Returns the bytes that were freed. */
  trim(keep = 0): number {
    this.#entries.sort((a, b) => b.lastUse - a.lastUse);
    let freed = 0;
    for (const { picture } of this.#entries.splice(keep)) {
      freed += picture.bytes;
      picture.close();
    }
    return freed;
  }

  stats(): ShapeBuffersStats {
    return {
      shapes: this.#entries.length,
      bytes: this.#entries.reduce((sum, { picture }) => sum + picture.bytes, 0),
      allocations: this.#allocations,
    };
  }

  close(): void {
    this.trim(0);
  }
}
