import type { Clock } from '../units.js';
import { ownMemory } from '../own-memory.js';

/** What pieces of work under one label did to the memory of the process, over the last ones of them. */
export interface ScopeFigures {
  label: string;
  /** Since the start. */
  count: number;
  failed: number;
  running: number;
  /** Growth of resident memory and of the JavaScript heap; negative when it shrank. */
  rssBytes: { mean: number; max: number };
  heapBytes: { mean: number; max: number };
  ms: { mean: number; max: number };
  /** Pieces that grew resident memory by more than the limit of their label, since the start. */
  overLimit: number;
}

/** Limits of the records, all to be changed at run time. */
export interface ScopeLimits {
  /** Pieces of work that are remembered by label, for mean and maximum. */
  records: number;
  /** Labels that are remembered; the one that was used longest ago goes. */
  labels: number;
  /** Growth of resident memory above which a piece counts as over its limit, by label. */
  growthBytes: Readonly<Record<string, number>>;
}

export interface ScopeOptions {
  clock?: Clock;
  /** Resident memory and JavaScript heap now, in bytes. */
  memory?: () => { rss: number; heapUsed: number };
  limits?: Partial<ScopeLimits>;
}

interface Piece {
  rssBytes: number;
  heapBytes: number;
  ms: number;
}

interface LabelRecord {
  count: number;
  failed: number;
  running: number;
  overLimit: number;
  /** Ring: once it is full the next one replaces the oldest, at `oldest`. */
  pieces: Piece[];
  oldest: number;
}

/**
 * Remembers how pieces of work change the memory of the process. The process is one: what runs at the same time counts
 * in each of them, so a mean over many says more than one.
 */
export class MemoryScopes {
  readonly #clock: Clock;
  readonly #memory: () => { rss: number; heapUsed: number };
  readonly #labels = new Map<string, LabelRecord>();
  #limits: ScopeLimits = { records: 64, labels: 64, growthBytes: {} };

  constructor({ clock, memory, limits = {} }: ScopeOptions = {}) {
    this.#clock = clock ?? (() => performance.now());
    this.#memory = memory ?? ownMemory;
    this.configure(limits);
  }

  configure(limits: Partial<ScopeLimits>): void {
    this.#limits = { ...this.#limits, ...limits };
    for (const record of this.#labels.values()) this.#fit(record);
    this.#forgetOldest();
  }

  /** Runs `fn`, at once, and records it; returns and throws what `fn` does. A promise is recorded when it settles. */
  run<T>(label: string, fn: () => T): T {
    const record = this.#record(label);
    const begin = this.#memory();
    const beginMs = this.#clock();
    record.running += 1;
    const end = (failed: boolean): void => {
      const { rss, heapUsed } = this.#memory();
      const rssBytes = rss - begin.rss;
      record.running -= 1;
      if (failed) record.failed += 1;
      if (rssBytes > (this.#limits.growthBytes[label] ?? Number.POSITIVE_INFINITY)) record.overLimit += 1;
      const piece = { rssBytes, heapBytes: heapUsed - begin.heapUsed, ms: this.#clock() - beginMs };
      if (record.pieces.length < this.#limits.records) record.pieces.push(piece);
      else if (record.pieces.length > 0) {
        record.pieces[record.oldest] = piece;
        record.oldest = (record.oldest + 1) % record.pieces.length;
      }
      record.count += 1;
    };
    let result: T;
    try {
      result = fn();
    } catch (error) {
      end(true);
      throw error;
    }
    if (!(result instanceof Promise)) {
      end(false);
      return result;
    }
    return result.then(
      (value: unknown) => {
        end(false);
        return value;
      },
      (error: unknown) => {
        end(true);
        throw error;
      },
    ) as T;
  }

  /** The same function, each call of it recorded. */
  monitored<A extends unknown[], R>(label: string, fn: (...args: A) => R): (...args: A) => R {
    return (...args) => this.run(label, () => fn(...args));
  }

  figures(): ScopeFigures[] {
    return [...this.#labels].map(([label, { count, failed, running, overLimit, pieces }]) => ({
      ...{ label, count, failed, running, overLimit },
      rssBytes: meanAndMax(pieces.map(({ rssBytes }) => rssBytes)),
      heapBytes: meanAndMax(pieces.map(({ heapBytes }) => heapBytes)),
      ms: meanAndMax(pieces.map(({ ms }) => ms)),
    }));
  }

  #record(label: string): LabelRecord {
    const record = this.#labels.get(label) ?? { count: 0, failed: 0, running: 0, overLimit: 0, pieces: [], oldest: 0 };
    this.#labels.delete(label); // to the end of the order
    this.#labels.set(label, record);
    this.#forgetOldest();
    return record;
  }

  #forgetOldest(): void {
    for (const label of this.#labels.keys()) {
      if (this.#labels.size <= Math.max(1, this.#limits.labels)) return;
      this.#labels.delete(label);
    }
  }

  /** Keeps the newest that the limit allows, the oldest first. */
  #fit(record: LabelRecord): void {
    const { pieces, oldest } = record;
    const ordered = [...pieces.slice(oldest), ...pieces.slice(0, oldest)];
    record.pieces = ordered.slice(Math.max(0, ordered.length - this.#limits.records));
    record.oldest = 0;
  }
}

function meanAndMax(values: readonly number[]): { mean: number; max: number } {
  if (values.length === 0) return { mean: 0, max: 0 };
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, max: Math.max(...values) };
}

/** The records of this process. */
export const memoryScopes = new MemoryScopes();

/** Runs a piece of work and records what it did to the memory of this process. */
export function memoryScope<T>(label: string, fn: () => T): T {
  return memoryScopes.run(label, fn);
}

/** Wraps a function, so that each call of it is recorded. */
export function monitored<A extends unknown[], R>(label: string, fn: (...args: A) => R): (...args: A) => R {
  return memoryScopes.monitored(label, fn);
}
