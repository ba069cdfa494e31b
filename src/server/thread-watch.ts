import { readdir, readFile } from 'node:fs/promises';

/** CPU time that each thread of a process has used so far, in ms, by thread id. */
export type ThreadTimes = ReadonlyMap<number, number>;

/** Share of a core from which a thread counts as spinning, and for how long it must, in ms. */
const SPINNING_SHARE = 0.95;
const SPINNING_FOR = 8_000;
/** Linux counts CPU time in hundredths of a second for user space, on every architecture (`getconf CLK_TCK`). */
const MS_PER_TICK = 10;

/**
 * Finds a thread that spins. The threads beside the main one that a stage has (network, timers, garbage collection)
 * work in bursts; one that uses a whole core for seconds is caught in a loop, and a stage in that state hears nothing
 * from its viewers although its heart beats.
 */
export class ThreadWatch {
  #last: { atMs: number; times: ThreadTimes } | null = null;
  readonly #spinningSince = new Map<number, number>();

  /** Takes a measurement in, about one a second. Returns the id of a thread that spins, or null. */
  add(times: ThreadTimes, atMs: number): number | null {
    const last = this.#last;
    this.#last = { atMs, times };
    if (!last || atMs <= last.atMs) return null;
    for (const [thread, usedMs] of times) {
      const before = last.times.get(thread);
      const share = before === undefined ? 0 : (usedMs - before) / (atMs - last.atMs);
      if (share < SPINNING_SHARE) this.#spinningSince.delete(thread);
      else if (!this.#spinningSince.has(thread)) this.#spinningSince.set(thread, last.atMs);
    }
    for (const [thread, since] of this.#spinningSince) {
      if (!times.has(thread)) this.#spinningSince.delete(thread);
      else if (atMs - since >= SPINNING_FOR) return thread;
    }
    return null;
  }

  /** Forgets everything: for a new process. */
  reset(): void {
    this.#last = null;
    this.#spinningSince.clear();
  }
}

/**
 * CPU times of all threads of a process but its main one, from /proc (proc(5), "stat": fields 14 and 15). Null where
 * there is no /proc, and when the process is gone.
 */
export async function readThreadTimes(pid: number): Promise<ThreadTimes | null> {
  try {
    const times = new Map<number, number>();
    for (const name of await readdir(`/proc/${pid}/task`)) {
      const thread = Number(name);
      if (thread === pid) continue;
      const stat = await readFile(`/proc/${pid}/task/${name}/stat`, 'utf8').catch(() => '');
      // The second field is a name in parentheses, which may itself contain anything.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      times.set(thread, (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK);
    }
    return times;
  } catch {
    return null;
  }
}
