import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { memoryRegistry, type MemoryFigures, type MemoryRegistry, type MemoryUser, type TrimLevel } from './memory-registry.js'; // prettier-ignore

export interface ImageCacheOptions<T> {
  /** Whose it is, for the registry, such as `stage` or `avatar packages`. */
  owner: string;
  name?: string;
  /** Most that is kept, in bytes; what is in use counts, but is never let go for it. 0 keeps nothing. */
  limitBytes: number;
  bytesOf: (value: T) => number;
  /** Frees what the collector does not, such as native memory: called once for each value that is let go. */
  dispose?: (value: T) => void;
  registry?: MemoryRegistry;
}

/** A picture in use. It stays until everybody who borrowed it gave it back. */
export interface Loan<T> {
  readonly value: T;
  /** Gives it back; twice is harmless. */
  release(): void;
}

interface Entry<T> {
  ready: Promise<T>;
  value: T | undefined;
  bytes: number;
  users: number;
}

/**
 * Decoded pictures under a byte limit. What is in use is pinned; what is not stays, the most recently used first, as far
 * as the limit allows. Two who ask for the same picture at once wait for one load.
 */
export class ImageCache<T> implements MemoryUser {
  readonly name: string;
  readonly owner: string;
  readonly kind = 'cache';
  readonly #options: ImageCacheOptions<T>;
  readonly #inUse = new Map<string, Entry<T>>();
  #idle: LRUCache<string, Entry<T>>;
  #limitBytes: number;
  #inUseBytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #closed = false;
  readonly #unregister: () => void;

  constructor(options: ImageCacheOptions<T>) {
    this.#options = options;
    this.name = options.name ?? 'image cache';
    this.owner = options.owner;
    this.#limitBytes = options.limitBytes;
    this.#idle = this.#newIdle();
    this.#unregister = (options.registry ?? memoryRegistry).register(this);
  }

  /**
   * The picture with that key, from the cache or else by `load`. Rejects with the error of `load`, which is not kept:
   * the next one who asks tries again.
   */
  async borrow(key: string, load: () => T | Promise<T>): Promise<Loan<T>> {
    let entry = this.#inUse.get(key) ?? this.#pin(key);
    if (entry) this.#hits += 1;
    else {
      this.#misses += 1;
      entry = this.#begin(key, load);
    }
    const mine = entry;
    mine.users += 1;
    // What is there needs no turn of the event loop.
    const value = mine.value ?? (await mine.ready);
    let lent = true;
    return {
      value,
      release: () => {
        if (lent) this.#giveBack(key, mine);
        lent = false;
      },
    };
  }

  figures(): MemoryFigures {
    return {
      bytes: this.#inUseBytes + this.#idle.calculatedSize,
      limitBytes: this.#limitBytes,
      items: this.#inUse.size + this.#idle.size,
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  /** Bytes that somebody uses now: no trim gives them back. */
  get inUseBytes(): number {
    return this.#inUseBytes;
  }

  /** `soft`: half of what nobody uses, the longest unused first; `hard`: all of it. Returns bytes. */
  trim(level: TrimLevel): number {
    const before = this.#idle.calculatedSize;
    const keep = level === 'soft' ? Math.floor(before / 2) : 0;
    while (this.#idle.size > 0 && this.#idle.calculatedSize > keep) this.#idle.pop();
    return before - this.#idle.calculatedSize;
  }

  /** Sets the limit at run time; what is over it goes now. */
  configure({ limitBytes }: { limitBytes: number }): void {
    this.#limitBytes = limitBytes;
    this.#shrink();
    const kept = this.#idle.dump();
    this.#idle = this.#newIdle();
    this.#idle.load(kept);
  }

  /** Lets everything go that nobody uses, and the rest as soon as it is given back. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.trim('hard');
    this.#unregister();
  }

  #newIdle(): LRUCache<string, Entry<T>> {
    return new LRUCache({
      maxSize: Math.max(1, Math.floor(this.#limitBytes)),
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
      dispose: (entry, _key, reason) => {
        if (reason === 'evict') this.#letGo(entry);
      },
    });
  }

  /** Takes a kept one into use; undefined when there is none. */
  #pin(key: string): Entry<T> | undefined {
    const entry = this.#idle.get(key);
    if (!entry) return undefined;
    this.#idle.delete(key);
    this.#inUse.set(key, entry);
    this.#inUseBytes += entry.bytes;
    return entry;
  }

  /** Loads; a failure is forgotten, so that it can be tried again. */
  #begin(key: string, load: () => T | Promise<T>): Entry<T> {
    const entry: Entry<T> = { ready: (async () => load())(), value: undefined, bytes: 0, users: 0 };
    this.#inUse.set(key, entry);
    entry.ready = entry.ready.then(
      (value) => {
        entry.value = value;
        entry.bytes = this.#options.bytesOf(value);
        this.#inUseBytes += entry.bytes;
        this.#shrink();
        return value;
      },
      (error: unknown) => {
        this.#inUse.delete(key);
        throw error;
      },
    );
    return entry;
  }

  #giveBack(key: string, entry: Entry<T>): void {
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#inUse.delete(key);
    this.#inUseBytes -= entry.bytes;
    // One that does not fit alone must not push out all others first.
    if (this.#closed || entry.bytes > this.#limitBytes - this.#inUseBytes) {
      this.#letGo(entry);
      return;
    }
    this.#idle.set(key, entry);
    this.#shrink();
  }

  /** Lets the longest unused go until everything together is within the limit. */
  #shrink(): void {
    while (this.#idle.size > 0 && this.#inUseBytes + this.#idle.calculatedSize > this.#limitBytes) this.#idle.pop();
  }

  #letGo({ value }: Entry<T>): void {
    this.#evictions += 1;
    if (value !== undefined) this.#options.dispose?.(value);
  }
}

/** Key of a picture by what it shows: its content and the size that it was decoded for. */
export function contentKey(content: Uint8Array, width: number, height: number): string {
  return `${createHash('sha256').update(content).digest('base64url')}:${width}x${height}`;
}

/** Key of a file by its path, size and time of change. Rejects when there is no such file. */
export async function fileKey(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(path);
  return `${path}:${ino}:${size}:${mtimeMs}`;
}
