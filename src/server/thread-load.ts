import type { ThreadTimes } from './thread-watch.js';

/** The load of a process's threads, its main one left out, between two looks at their times. */
export class ThreadLoad {
  #last: { atMs: number; times: ThreadTimes } | null = null;

  /** How many threads there are with the main one, and the busiest of the others in percent of a core. */
  next(times: ThreadTimes | null, atMs: number): { threads: number | null; busiestPercent: number | null } {
    const last = this.#last;
    this.#last = times && { atMs, times };
    if (!times) return { threads: null, busiestPercent: null };
    const threads = times.size + 1;
    if (!last || atMs <= last.atMs) return { threads, busiestPercent: null };
    let busiest = 0;
    for (const [thread, usedMs] of times) {
      const before = last.times.get(thread);
      // Times are counted in hundredths of a second: a little more than all of a core can come out.
      if (before !== undefined)
        busiest = Math.max(busiest, Math.min(100, (100 * (usedMs - before)) / (atMs - last.atMs)));
    }
    return { threads, busiestPercent: busiest };
  }
}
