import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DhError } from '../errors.js';
import type { Clock, Closable } from '../units.js';
import { diskError } from './disk-error.js';
import { isHere, parseHolder, stateOf, thisProcess, type Holder } from './holder.js';

/** How a lock is asked for. */
export interface LockOptions {
  /** Wait for a holder that lives. Default: `render_busy`. */
  wait?: boolean;
  /** Ends the waiting. */
  signal?: AbortSignal;
  /** Told once who is waited for, whether it is known to live or not. */
  onWait?: (message: string) => void;
  /** Monotonic, in ms; replaced in tests, with `sleep`. */
  clock?: Clock;
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<unknown>;
}

/** A holder touches its lock that often, in ms. */
const BEAT_MS = 3_000;
/** A holder elsewhere that has not touched its lock for this long is gone. */
const STALE_MS = 20_000;
const POLL_MS = 500;
const ATTEMPTS = 3;

/**
 * A lock that is a file. It is held by the process, not by the file: when the process is gone, however it ended, the
 * next one takes the lock over. A process of this machine is asked whether it lives; one elsewhere, also in another
 * container, is watched touching its lock.
 */
export class ProjectLock implements Closable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #inode: number;
  readonly #beat: NodeJS.Timeout;
  readonly #lost = new AbortController();
  #closed = false;

  private constructor(path: string, file: FileHandle, inode: number) {
    this.#path = path;
    this.#file = file;
    this.#inode = inode;
    this.#beat = setInterval(() => void this.#touch(), BEAT_MS).unref();
  }

  /** Aborts with a `render_busy` when another process took the lock over because this one seemed to be gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * `what` is named in the error. Settles within `STALE_MS`, unless it is to wait.
   * @throws DhError `render_busy` when another process holds it; `write_failed`, `disk_full`; the signal's reason.
   */
  static async acquire(path: string, what: string, options: LockOptions = {}): Promise<ProjectLock> {
    const me = thisProcess();
    const own = `${path}.${process.pid}-${randomUUID()}`;
    const { signal, clock = () => performance.now(), sleep = sleepUnlessAborted } = options;
    let file: FileHandle | null = null;
    try {
      await mkdir(dirname(path), { recursive: true });
      await removeLeft(path, me);
      file = await open(own, 'wx');
      await file.writeFile(JSON.stringify(me));
      let announced = false;
      const announce = (found: string): void => {
        if (!announced) options.onWait?.(busy(what, found).message);
        announced = true;
      };
      for (let attempt = 0; attempt < ATTEMPTS;) {
        signal?.throwIfAborted();
        if (await linked(own, path)) {
          const lock = new ProjectLock(path, file, (await file.stat()).ino);
          file = null;
          return lock;
        }
        const found = await readFile(path, 'utf8').catch(() => null);
        let held = found !== null && stateOf(found, me);
        if (held === 'unknown') {
          announce(found!);
          const sleepOn = async (ms: number): Promise<void> => {
            await sleep(ms, signal);
            signal?.throwIfAborted();
          };
          held = (await isTouched(path, { clock, sleep: sleepOn })) ? 'held' : 'free';
        }
        if (held === 'held') {
          if (!options.wait) throw busy(what, found!);
          announce(found!);
          await sleep(POLL_MS, signal);
          continue;
        }
        attempt += 1;
        if (held === 'free') await takeAway(path, found!);
      }
      throw busy(what, '');
    } catch (error) {
      signal?.throwIfAborted();
      throw diskError(path, error);
    } finally {
      await file?.close().catch(() => undefined);
      await rm(own, { force: true }).catch(() => undefined);
    }
  }

  /** Gives it back; twice is harmless. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#beat);
    const mine = await this.#isMine();
    await this.#file.close().catch(() => undefined);
    if (mine) await rm(this.#path, { force: true });
  }

  async #touch(): Promise<void> {
    if (!(await this.#isMine())) {
      clearInterval(this.#beat);
      const message = 'Another process took the lock over while this one stood still.';
      this.#lost.abort(new DhError('render_busy', message, { hint: 'Wait until that is done, then try again.' }));
      return;
    }
    const now = new Date();
    // Through the open file: one that has taken the lock over meanwhile is not touched.
    await this.#file.utimes(now, now).catch(() => undefined);
  }

  async #isMine(): Promise<boolean> {
    return await stat(this.#path).then(
      ({ ino }) => ino === this.#inode,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
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
    const holder = parseHolder(await readFile(left, 'utf8').catch(() => ''));
    if (holder !== null && !isHere(holder, me)) continue;
    if (stateOf(JSON.stringify({ ...me, pid, started: '' }), me) === 'held') continue;
    await rm(left, { force: true });
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

/** Watches a lock until its holder touches it or gives it back; false when that does not happen. */
async function isTouched(
  path: string,
  { clock, sleep }: { clock: Clock; sleep: (ms: number) => Promise<unknown> },
): Promise<boolean> {
  const first = await touchedAt(path);
  for (const since = clock(); clock() - since < STALE_MS;) {
    await sleep(POLL_MS);
    if ((await touchedAt(path)) !== first) return true;
  }
  return false;
}

/** Opened, as a network disk shows only then what others have changed. */
async function touchedAt(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const { ino, mtimeMs } = await file.stat();
    return `${ino} ${mtimeMs}`;
  } finally {
    await file.close();
  }
}

async function sleepUnlessAborted(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => undefined);
}

function busy(what: string, content: string): DhError {
  const { pid, host } = parseHolder(content) ?? {};
  const who = pid === undefined ? '' : ` by process ${pid}${host === hostname() ? '' : ` on ${host}`}`;
  return new DhError('render_busy', `${what} is in use${who}.`, {
    hint: 'Wait until that is done, or choose another --project and output folder.',
  });
}
