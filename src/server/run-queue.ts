import { readFileSync } from 'node:fs';

/**
 * How long the main thread of a process has been ready to run without getting a CPU, since it was started, in ms:
 * the second field of `/proc/<pid>/schedstat` (Linux, Documentation/scheduler/sched-stats). Null where there is none.
 */
export function runQueueWaitMs(pid: number): number | null {
  try {
    const waitedNs = Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]);
    return Number.isFinite(waitedNs) ? waitedNs / 1e6 : null;
  } catch {
    return null;
  }
}

/**
 * Judges the silence of a process: one that waits for a CPU is not hung, and replacing it would only add to the load.
 * Time in which it stood in the machine's run queue does not count, up to a limit.
 */
export class SilenceWatch {
  readonly #waitMs: (pid: number) => number | null;
  #base: number | null = null;
  #waitedMs = 0;

  constructor(waitMs: (pid: number) => number | null = runQueueWaitMs) {
    this.#waitMs = waitMs;
  }

  /** How much of the silence the process waited for a CPU, in ms, as of the last `check`. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** It was heard. */
  heard(): void {
    this.#base = null;
    this.#waitedMs = 0;
  }

  /**
   * Called while it is silent, several times before `limitMs` is over.
   * @returns whether it counts as hung: silent for `limitMs` without waiting for a CPU, or ten times that anyway
   */
  check(pid: number | undefined, silentMs: number, limitMs: number): boolean {
    const waited = pid === undefined ? null : this.#waitMs(pid);
    this.#base ??= waited;
    if (waited !== null && this.#base !== null) this.#waitedMs = waited - this.#base;
    return silentMs - this.#waitedMs > limitMs || silentMs > 10 * limitMs;
  }
}
