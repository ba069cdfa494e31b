import { readdir, readFile } from 'node:fs/promises';

/** CPU time that each thread of a process has used so far, in ms, by thread id. */
export type ThreadTimes = ReadonlyMap<number, number>;

/** Linux counts CPU time in hundredths of a second for user space, on every architecture (`getconf CLK_TCK`). */
const MS_PER_TICK = 10;

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
