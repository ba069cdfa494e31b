import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import { diskError } from './disk-error.js';

/** Who holds a lock. No time of day is in it: a clock may jump. */
interface Holder {
  host: string;
  pid: number;
  /** When the process started, in ticks since the machine did; empty where that cannot be known. */
  started: string;
  /** Which start of the machine that was. */
  boot: string;
}

/**
 * A lock that is a file. It is held by the process, not by the file: when the process is gone, however it ended, the
 * next one takes the lock over.
 */
export class ProjectLock implements Closable {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** @throws DhError `render_busy` when another process holds it; `write_failed`, `disk_full`. */
  static async acquire(path: string, what: string): Promise<ProjectLock> {
    const me: Holder = { host: hostname(), pid: process.pid, started: startOf(process.pid) ?? '', boot: bootId() };
    const content = JSON.stringify(me);
    const own = `${path}.${process.pid}-${randomUUID()}`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await removeLeft(path, me);
      await writeFile(own, content);
      for (let attempt = 0; attempt < 3; attempt++) {
        if (await linked(own, path)) return new ProjectLock(path, content);
        const found = await readFile(path, 'utf8').catch(() => null);
        if (found === null) continue;
        if (isAlive(found, me)) throw busy(what, found);
        await takeAway(path, found);
      }
      throw busy(what, '');
    } catch (error) {
      throw diskError(path, error);
    } finally {
      await rm(own, { force: true }).catch(() => undefined);
    }
  }

  /** Gives it back; twice is harmless. */
  async close(): Promise<void> {
    const found = await readFile(this.#path, 'utf8').catch(() => null);
    if (found === this.#content) await rm(this.#path, { force: true });
  }
}

/**
 * Removes what processes left beside a lock that were killed while they asked for it. The number of the process is in the
 * name: what is in the file may be of the one before, or not written yet.
 */
async function removeLeft(path: string, me: Holder): Promise<void> {
  const prefix = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix)) continue;
    const left = join(dirname(path), name);
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    const content = await readFile(left, 'utf8').catch(() => '');
    if (isElsewhere(content, me) || isAlive(JSON.stringify({ ...me, pid, started: '' }), me)) continue;
    await rm(left, { force: true });
  }
}

function isElsewhere(content: string, me: Holder): boolean {
  try {
    return (JSON.parse(content) as Partial<Holder>).host !== me.host;
  } catch {
    return false;
  }
}

async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a lock that nobody holds; puts it back when another process has taken it over in between. */
async function takeAway(path: string, stale: string): Promise<void> {
  const aside = `${path}.${process.pid}-${randomUUID()}`;
  await rename(path, aside).catch(() => undefined);
  const taken = await readFile(aside, 'utf8').catch(() => null);
  if (taken !== null && taken !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function isAlive(content: string, me: Holder): boolean {
  let holder: Partial<Holder>;
  try {
    holder = JSON.parse(content) as Partial<Holder>;
  } catch {
    return false;
  }
  // A folder shared with another machine: it cannot be asked.
  if (holder.host !== me.host) return true;
  if (holder.boot !== me.boot || typeof holder.pid !== 'number') return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const started = startOf(holder.pid);
  return started === null || !holder.started || started === holder.started;
}

function busy(what: string, holder: string): DhError {
  const { pid, host } = (holder ? JSON.parse(holder) : {}) as Partial<Holder>;
  const who = pid === undefined ? '' : ` (process ${pid}${host === hostname() ? '' : ` on ${host}`})`;
  return new DhError('render_busy', `${what} is being rendered already${who}.`, {
    hint: 'Wait until that is done, or choose another --project and output folder.',
  });
}

/** Field 22 of /proc/pid/stat (proc(5)); null where there is no such file. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
