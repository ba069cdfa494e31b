import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Closable } from '../units.js';

export interface FileWatchOptions {
  path: string;
  /** The file may have changed, come or gone. It is up to the listener to look. */
  onChange: () => void;
  /** Quiet time after an event before it counts: an editor writes, renames and writes again. Default 150 ms. */
  debounceMs?: number;
  /** How often the file is looked at whatever the system tells. Default 2,000 ms. */
  pollMs?: number;
}

/**
 * Watches one file. It watches the file's folder, because editors replace a file by renaming another one onto it; and it
 * looks at the file every two seconds, because network disks and mounted folders tell nothing, a symbolic link may be
 * pointed elsewhere, and a folder may be replaced. It keeps no process alive.
 */
export class FileWatch implements Closable {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #debounceMs: number;
  readonly #poll: NodeJS.Timeout;
  #watcher: FSWatcher | null = null;
  #pending: NodeJS.Timeout | null = null;
  #print: string | null = null;
  #closed = false;

  constructor({ path, onChange, debounceMs = 150, pollMs = 2_000 }: FileWatchOptions) {
    this.#path = resolve(path);
    this.#onChange = onChange;
    this.#debounceMs = debounceMs;
    this.#watchFolder();
    void this.#look();
    this.#poll = setInterval(() => void this.#look(), pollMs);
    this.#poll.unref();
  }

  /** True while the system tells of changes; otherwise they are found by looking. */
  get watching(): boolean {
    return this.#watcher !== null;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#pending) clearTimeout(this.#pending);
    this.#pending = null;
    this.#stopWatching();
  }

  #watchFolder(): void {
    try {
      const name = basename(this.#path);
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) this.#soon();
      });
      this.#watcher.on('error', () => this.#stopWatching());
    } catch {
      this.#watcher = null; // no folder, or no watch left in the system: looking has to do
    }
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  async #look(): Promise<void> {
    const print = await stat(this.#path).then(
      ({ ino, size, mtimeMs, mode }) => `${ino} ${size} ${mtimeMs} ${mode}`,
      () => 'none',
    );
    if (this.#closed) return;
    // Also the first time: it may have changed since whoever watches it has read it.
    const same = print === this.#print;
    this.#print = print;
    if (!same) this.#soon();
  }

  #soon(): void {
    if (this.#closed) return;
    if (this.#pending) clearTimeout(this.#pending);
    this.#pending = setTimeout(() => {
      this.#pending = null;
      this.#onChange();
    }, this.#debounceMs);
    this.#pending.unref();
  }
}
