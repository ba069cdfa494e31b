import { totalmem } from 'node:os';

/** What a process should do about its memory. */
export type MemoryAction = 'none' | 'collect' | 'replace';

export interface MemoryGuardOptions {
  /** Resident memory that the process may use. */
  limitBytes: number;
  /** Least time between two collections. */
  gcIntervalS: number;
}

/** Share of the limit from which garbage is collected before its time. */
const SOFT_SHARE = 0.8;
/** The limit may be passed for this many measurements in a row: one spike is no reason to end a process. */
const PATIENCE = 4;

/**
 * Watches the resident memory of one process: from 80 % of the limit it asks for a garbage collection, at most every
 * `gcIntervalS`; a process that stays over the limit is to be replaced. It only decides, the owner of the process acts.
 */
export class MemoryGuard {
  readonly limitBytes: number;
  readonly #gcIntervalMs: number;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #over = 0;

  constructor({ limitBytes, gcIntervalS }: MemoryGuardOptions) {
    this.limitBytes = limitBytes;
    this.#gcIntervalMs = gcIntervalS * 1000;
  }

  /** Takes a measurement in. */
  check(rssBytes: number, nowMs: number): MemoryAction {
    this.#over = rssBytes > this.limitBytes ? this.#over + 1 : 0;
    if (this.#over >= PATIENCE) {
      this.#over = 0;
      return 'replace';
    }
    if (rssBytes < SOFT_SHARE * this.limitBytes || nowMs - this.#collectedAt < this.#gcIntervalMs) return 'none';
    this.#collectedAt = nowMs;
    return 'collect';
  }
}

/**
 * The limit that counts: the configured one, or that of the container when it is smaller. Without a container limit
 * `process.constrainedMemory()` answers more than the machine has.
 */
export function effectiveLimitBytes(maxMemoryMb: number, constrainedBytes = process.constrainedMemory()): number {
  const container = constrainedBytes > 0 && constrainedBytes < totalmem() ? constrainedBytes : Number.POSITIVE_INFINITY;
  return Math.min(maxMemoryMb * 1e6, container);
}
