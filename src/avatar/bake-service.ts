import { randomUUID } from 'node:crypto';
import { access, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DhError } from '../errors.js';
import type { Closable, MemoryLoan } from '../units.js';
import { BakeChild, type BakeChildOptions } from './bake-child.js';
import { BUILT_IN_AVATAR } from './catalogue.js';

export interface BakeServiceOptions {
  /** Folder of the cache on disk. */
  cacheDir: string;
  /** Where baked avatars live until `close` when the cache cannot be written. Default: a folder of the system's. */
  spareDir?: string;
  /** Folders with avatar packages. */
  avatarsDirs: readonly string[];
  /**
   * Lends the memory for drawing a size; `before` is what waits for the avatar and uses no memory until then. A process
   * that takes more is killed. Default: no limit.
   */
  borrow?: (size: Size, before: string | undefined) => Promise<MemoryLoan>;
}

type Progress = (done: number, total: number) => void;
interface Size {
  width: number;
  height: number;
}

/** An avatar that is being drawn. */
export interface Drawing {
  /** Settled when there is memory for it. Rejects with what `borrow` throws. */
  begun: Promise<void>;
  /** Settled when the avatar was found to be valid. Rejects as `path`. */
  loaded: Promise<void>;
  /** Path of a file for `loadBaked`. Rejects as `bake` does. */
  path: Promise<string>;
}

interface Shared extends Drawing {
  listeners: Set<Progress>;
}

/**
 * Bakes avatars, each in a child process of its own that ends with it. Requests for the same avatar and size that come
 * while one is under way share it.
 */
export class BakeService implements Closable {
  readonly #options: BakeServiceOptions;
  /** Exists only once something had to be stored there. */
  readonly #spareDir: string;
  readonly #children = new Set<BakeChild>();
  readonly #shared = new Map<string, Shared>();
  /** Built-in avatars do not change while the program runs. */
  readonly #known = new Map<string, string>();
  #nextId = 1;
  #failures = 0;
  #closed = false;

  constructor(options: BakeServiceOptions) {
    this.#options = options;
    this.#spareDir = options.spareDir ?? join(tmpdir(), `dh-live-avatars-${randomUUID()}`);
  }

  /**
   * Path of a file for `loadBaked`. Throws `avatar_not_found`, `avatar_invalid`, `task_crashed` when the child process
   * dies, `memory_pressure` when there is no memory for it or it grows over what it has borrowed, `internal` when the disk
   * is full, and `shutting_down` after `close`.
   */
  bake(avatar: string, size: Size, onProgress?: Progress): Promise<string> {
    return this.draw(avatar, size, onProgress ? { onProgress } : {}).path;
  }

  /** As `bake`, step by step; nothing has to be done about a step that rejects and that nobody waits for. */
  draw(avatar: string, size: Size, { onProgress, before }: { onProgress?: Progress; before?: string } = {}): Drawing {
    const key = `${avatar}\n${size.width}x${size.height}`;
    let shared = this.#shared.get(key);
    if (!shared) {
      const listeners = new Set<Progress>();
      const begun = this.#begin(key, avatar, size, listeners, before);
      const forget = (): void => void this.#shared.delete(key);
      begun.then(({ path }) => path.then(forget, forget), forget);
      const loaded = begun.then((drawing) => drawing.loaded);
      const path = begun.then((drawing) => drawing.path);
      shared = { begun: begun.then(() => undefined), loaded, path, listeners };
      for (const step of [shared.begun, loaded, path]) step.catch(() => undefined);
      this.#shared.set(key, shared);
    }
    if (onProgress) shared.listeners.add(onProgress);
    return shared;
  }

  /** Ends the child processes; what is under way fails with `shutting_down`. Removes the temporary folder. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const child of this.#children) child.kill(shuttingDown());
    await Promise.allSettled([...this.#children].map(({ path }) => path));
    await rm(this.#spareDir, { recursive: true, force: true });
  }

  /** Process ids of the child processes. */
  get pids(): number[] {
    return [...this.#children].flatMap(({ pid }) => pid ?? []);
  }

  /** How often a child process died or had to be ended. */
  get failures(): number {
    return this.#failures;
  }

  async #begin(
    key: string,
    avatar: string,
    size: Size,
    listeners: Set<Progress>,
    before: string | undefined,
  ): Promise<Omit<Drawing, 'begun'>> {
    if (this.#closed) throw shuttingDown();
    const known = this.#known.get(key);
    if (known !== undefined && (await exists(known))) {
      return { loaded: Promise.resolve(), path: Promise.resolve(known) };
    }
    const loan = (await this.#options.borrow?.(size, before)) ?? null;
    if (this.#closed) {
      loan?.close();
      throw shuttingDown();
    }
    const { cacheDir, avatarsDirs } = this.#options;
    const child = startChild({
      request: {
        ...{ id: this.#nextId++, avatar, width: size.width, height: size.height },
        ...{ cacheDir, spareDir: this.#spareDir, avatarsDirs: [...avatarsDirs] },
      },
      loan,
      onProgress: (done, total) => {
        for (const listener of listeners) listener(done, total);
      },
      onFailure: () => (this.#failures += 1),
    });
    this.#children.add(child);
    const path = child.path.finally(() => this.#children.delete(child));
    path.then(
      (baked) => {
        if (avatar === BUILT_IN_AVATAR) this.#known.set(key, baked);
      },
      () => undefined, // whoever waits for it hears of it
    );
    return { loaded: child.loaded, path };
  }
}

/** A process that cannot be started borrows nothing. */
function startChild(options: BakeChildOptions): BakeChild {
  try {
    return new BakeChild(options);
  } catch (error) {
    options.loan?.close();
    throw error;
  }
}

function shuttingDown(): DhError {
  return new DhError('shutting_down', 'The server is stopping.');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
