import type { Closable, I420Frame } from '../units.js';
import { NativePicture } from './native-picture.js';

/** A picture out of a `FramePool`: its planes are the memory that the encoder reads. Give it back with `release`. */
export interface PooledFrame extends I420Frame {
  /** FFmpeg's frame around the same memory; for encoders. */
  readonly native: NativePicture['native'];
}

/** Counters of a `FramePool`. */
export interface FramePoolStats {
  size: number;
  free: number;
  outstanding: number;
  /** How often `acquire` gave a frame. */
  acquired: number;
  /** How often `acquire` found the pool empty. */
  misses: number;
  /** Pixel memory of all frames together. */
  bytes: number;
}

/**
 * A fixed number of pictures of one shape, all allocated at the start. An empty pool answers null and counts it: the
 * caller skips the picture, nothing is ever allocated later unless somebody changes the number.
 */
export class FramePool implements Closable {
  readonly width: number;
  readonly height: number;
  readonly #all = new Set<PooledFrame>();
  readonly #free: NativePicture[] = [];
  readonly #frameBytes: number;
  #size: number;
  #acquired = 0;
  #misses = 0;
  #closed = false;

  /** Throws RangeError for an odd width or height, or a size below 1. */
  constructor({ width, height, size = 5 }: { width: number; height: number; size?: number }) {
    mustBeSize(size);
    this.width = width;
    this.height = height;
    this.#size = size;
    this.#fill();
    this.#frameBytes = this.#free[0]?.bytes ?? 0;
  }

  /**
   * Changes how many frames there are: allocates those that are missing, or frees those that are too many, one that is
   * out when it comes back. Throws RangeError for a size below 1.
   */
  resize(size: number): void {
    mustBeSize(size);
    if (this.#closed) return;
    this.#size = size;
    while (this.#all.size > size) {
      const frame = this.#free.pop();
      if (frame === undefined) break;
      this.#drop(frame);
    }
    this.#fill();
  }

  /** A frame with whatever was in it last, or null when all are in use (or the pool is closed). */
  acquire(): PooledFrame | null {
    const frame = this.#closed ? undefined : this.#free.pop();
    if (frame === undefined) {
      this.#misses += 1;
      return null;
    }
    this.#acquired += 1;
    return frame;
  }

  /** Takes a frame back. Throws RangeError when it is not out: released twice, or from another pool. */
  release(frame: PooledFrame): void {
    const picture = frame as NativePicture;
    if (!this.#all.has(frame) || this.#free.includes(picture)) {
      throw new RangeError('the frame is not one that this pool has given out');
    }
    if (this.#closed || this.#all.size > this.#size) this.#drop(picture);
    else this.#free.push(picture);
  }

  stats(): FramePoolStats {
    const outstanding = this.#all.size - this.#free.length;
    return {
      size: this.#size,
      free: this.#free.length,
      outstanding,
      acquired: this.#acquired,
      misses: this.#misses,
      bytes: this.#frameBytes * this.#all.size,
    };
  }

  /** Frees the frames; one that is still out is freed when it is released, because an encoder may be reading it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const frame of this.#free.splice(0)) this.#drop(frame);
  }

  #fill(): void {
    while (this.#all.size < this.#size) {
      const frame = new NativePicture(this.width, this.height);
      this.#all.add(frame);
      this.#free.push(frame);
    }
  }

  #drop(frame: NativePicture): void {
    this.#all.delete(frame);
    frame.close();
  }
}

function mustBeSize(size: number): void {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`a pool holds at least one frame, not ${size}`);
}
