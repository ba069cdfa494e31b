import { memoryRegistry, type MemoryFigures, type MemoryRegistry, type MemoryUser, type TrimLevel } from './memory-registry.js'; // prettier-ignore

/** Why a cleanup runs. */
export type CleanupReason = 'shutdown' | 'hard level';

/** Lets something go; may return how many bytes that were. */
export type Cleanup = (reason: CleanupReason) => number | void | Promise<unknown>;

export interface CleanupReport {
  ran: number;
  /** Messages of those that failed. */
  failed: string[];
}

/**
 * What is to be let go when the process stops, and, for those that say so, when memory is at its hard level. An error in
 * one does not stop the others. The newest runs first.
 */
export class Cleanups implements MemoryUser {
  readonly name = 'cleanups';
  readonly owner = 'process';
  readonly kind = 'asset';
  readonly #cleanups = new Map<symbol, { run: Cleanup; atHardLevel: boolean }>();
  #failures = 0;

  constructor(registry: MemoryRegistry = memoryRegistry) {
    registry.register(this);
  }

  /** The returned function takes it out again, twice is harmless. */
  add(run: Cleanup, { atHardLevel = false }: { atHardLevel?: boolean } = {}): () => void {
    const id = Symbol();
    this.#cleanups.set(id, { run, atHardLevel });
    return () => void this.#cleanups.delete(id);
  }

  /** Runs all of them, once: at shutdown. Never rejects; the caller decides how long it waits. */
  async runAll(): Promise<CleanupReport> {
    const all = [...this.#cleanups.values()].reverse();
    this.#cleanups.clear();
    const settled = await Promise.allSettled(all.map(async ({ run }) => run('shutdown')));
    const failed = settled.flatMap((one) => (one.status === 'rejected' ? [messageOf(one.reason)] : []));
    this.#failures += failed.length;
    return { ran: all.length, failed };
  }

  figures(): MemoryFigures {
    return { bytes: 0, limitBytes: null, items: this.#cleanups.size, hits: 0, misses: this.#failures, evictions: 0 };
  }

  /** At the hard level: those that asked for it. They stay, for the next time. */
  trim(level: TrimLevel): number {
    if (level !== 'hard') return 0;
    let freed = 0;
    for (const { run, atHardLevel } of [...this.#cleanups.values()].reverse()) {
      if (!atHardLevel) continue;
      try {
        const result = run('hard level');
        if (typeof result === 'number') freed += result;
        else if (result instanceof Promise) result.catch(() => (this.#failures += 1));
      } catch {
        this.#failures += 1;
      }
    }
    return freed;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Those of this process. */
export const cleanups = new Cleanups();

/** Has `run` called at shutdown, and with `atHardLevel` when memory is short. The returned function takes that back. */
export function onCleanup(run: Cleanup, options?: { atHardLevel?: boolean }): () => void {
  return cleanups.add(run, options);
}
