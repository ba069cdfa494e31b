import { readdir, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';

/** CPU of the whole machine between two calls, in percent of all cores; null in the first call. */
export class MachineCpu {
  readonly #read: () => { times: Record<'user' | 'nice' | 'sys' | 'idle' | 'irq', number> }[];
  #last: { busy: number; all: number } | null = null;

  constructor(read = cpus) {
    this.#read = read;
  }

  next(): number | null {
    let busy = 0;
    let all = 0;
    for (const { times } of this.#read()) {
      const { idle, ...working } = times;
      const used = Object.values(working).reduce((sum, ms) => sum + ms, 0);
      busy += used;
      all += used + idle;
    }
    const last = this.#last;
    this.#last = { busy, all };
    if (!last || all <= last.all) return null;
    return (100 * (busy - last.busy)) / (all - last.all);
  }
}

/** Least free space of the disks that hold these folders, in bytes; of a folder that is not there yet, its parent's. */
export async function diskFreeBytes(folders: readonly string[]): Promise<number | null> {
  const free = await Promise.all(folders.map(freeOf));
  const known = free.filter((bytes) => bytes !== null);
  return known.length === 0 ? null : Math.min(...known);
}

async function freeOf(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(folder);
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== folder ? freeOf(parent) : null;
  }
}

/** Open file descriptors of a process; null without /proc. */
export async function countHandles(pid: number): Promise<number | null> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => null);
  return names && names.length;
}
