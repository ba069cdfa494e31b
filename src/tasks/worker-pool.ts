import type { Transferable } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import type { Clock, Closable } from '../units.js';
import { WorkFigures, type PoolFigures } from './work-figures.js';

/** What a thread shall do: a function of a module, and what it is called with. */
export interface Task {
  /** Absolute path of the compiled module. */
  file: string;
  /** Its exported function; without it the default one. */
  name?: string;
  /** Copied into the thread, but for what is transferred. */
  data: unknown;
}

export interface SubmitOptions {
  /** Higher ones begin first; among equals the one that came first. Default 0. */
  priority?: number;
  /** Takes a task that waits out of the queue, and ends the thread of one that runs. */
  signal?: AbortSignal | undefined;
  /** False: a task that runs is short, and goes on to its end although the signal aborts. Default true. */
  stopRunning?: boolean;
  /** A task that runs longer counts as hung: its thread is replaced. Default: no limit. */
  timeLimitMs?: number;
  /** Buffers and ports that change hands instead of being copied. */
  transfer?: readonly Transferable[];
}

export interface WorkerPoolOptions {
  name: string;
  /** Most threads at a time, 1 to `MOST_THREADS`. */
  threads: number;
  /** Threads that stay when there is nothing to do; the others end after `idleMs`. Default 0. */
  keptThreads?: number;
  /** Default 30,000. */
  idleMs?: number;
  /** Most tasks that wait. Default 256. */
  waitingCapacity?: number;
  resourceLimits?: { maxOldGenerationSizeMb?: number; maxYoungGenerationSizeMb?: number };
  clock?: Clock;
}

interface Job {
  task: Task;
  options: SubmitOptions;
  priority: number;
  queuedAt: number;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  leave: () => void;
}

/** More threads than any machine that this is for has use of: the bound of `resize`. */
export const MOST_THREADS = 64;
const COLLECT = entryPath(import.meta.url, './collect-worker.js');

/**
 * Threads for one kind of work. The queue is here, not in piscina, which has no priorities: piscina never gets more tasks
 * than may run, so it starts a thread only when all others are busy, and the number of threads follows `resize`. No
 * thread exists before the first task.
 */
export class WorkerPool implements Closable {
  readonly name: string;
  readonly figures: WorkFigures;
  readonly #options: WorkerPoolOptions;
  readonly #clock: Clock;
  readonly #queue: Job[] = [];
  readonly #capacity: number;
  #threads: number;
  #running = 0;
  #pool: Piscina | null = null;
  #closing: Promise<void> | null = null;
  #onIdle: () => void = () => undefined;

  constructor(options: WorkerPoolOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#capacity = options.waitingCapacity ?? 256;
    this.#threads = checkThreads(options.threads);
    this.figures = new WorkFigures(this.#clock);
  }

  /**
   * Runs a task in a thread and resolves with its result.
   *
   * A task that throws, ends its thread, runs out of memory or hangs fails alone, with `task_crashed`; one that throws the
   * JSON of a `DhError` fails with that. Also rejects with `task_limit` when too many wait, `shutting_down`, and the
   * signal's reason.
   */
  submit<R>(task: Task, options: SubmitOptions = {}): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const { signal, priority = 0 } = options;
      if (this.#closing) return reject(shuttingDown());
      if (signal?.aborted) {
        this.figures.abandon();
        return reject(signal.reason as Error);
      }
      if (this.#running >= this.#threads && this.#queue.length >= this.#capacity) {
        const message = `${this.#queue.length} tasks wait for "${this.name}" already.`;
        return reject(new DhError('task_limit', message, { hint: 'Try again in a few seconds.' }));
      }
      const job: Job = {
        ...{ task, options, priority, reject, queuedAt: this.#clock() },
        resolve: resolve as Job['resolve'],
        leave: () => signal?.removeEventListener('abort', onAbort),
      };
      const onAbort = (): void => {
        this.#queue.splice(this.#queue.indexOf(job), 1);
        this.figures.abandon();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      // Behind those of the same priority.
      const place = this.#queue.findIndex((other) => other.priority < priority);
      this.#queue.splice(place < 0 ? this.#queue.length : place, 0, job);
      this.#next();
    });
  }

  /** Sets how many threads there may be. More begin work at once; of fewer, those that run end their task first. */
  resize(threads: number): void {
    this.#threads = checkThreads(threads);
    this.#next();
  }

  stats(): PoolFigures {
    return this.figures.read({
      pool: this.name,
      threads: this.#pool?.threads.length ?? 0,
      limitThreads: this.#threads,
      waiting: this.#queue.length,
      waitingCapacity: this.#capacity,
    });
  }

  /**
   * Collects the garbage of threads that stay and have nothing to do: one that waits for a task never does so by itself.
   * Those that end after a while are left to that. What is submitted meanwhile waits some 20 ms. Never rejects.
   */
  async collectGarbage(): Promise<void> {
    const pool = this.#pool;
    if (!pool || this.#closing) return;
    const idle = Math.max(0, pool.threads.length - this.#running);
    const { keptThreads = 0 } = this.#options;
    await Promise.all(
      Array.from({ length: Math.min(idle, keptThreads) }, async () => {
        this.#running += 1;
        // A thread that ends meanwhile has nothing left to collect.
        await pool.run(undefined, { filename: COLLECT }).catch(() => undefined);
        this.#ended();
      }),
    );
  }

  /** Refuses what waits, lets what runs end for so long (ms), then ends the threads. Twice is harmless. */
  close(drainMs = 0): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    await Promise.resolve(); // so that `#closing` is set
    for (const job of this.#queue.splice(0)) {
      job.leave();
      this.figures.abandon();
      job.reject(shuttingDown());
    }
    if (this.#running > 0 && drainMs > 0) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, drainMs)));
      await Promise.race([late, new Promise<void>((resolve) => (this.#onIdle = resolve))]);
      clearTimeout(timer);
    }
    await this.#pool?.destroy();
  }

  #next(): void {
    while (this.#running < this.#threads && !this.#closing) {
      const job = this.#queue.shift();
      if (!job) return;
      job.leave();
      void this.#run(job);
    }
  }

  async #run(job: Job): Promise<void> {
    const { task, options } = job;
    const { signal, timeLimitMs, stopRunning = true, transfer = [] } = options;
    this.#running += 1;
    const end = this.figures.begin(this.#clock() - job.queuedAt);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    if (stopRunning) signal?.addEventListener('abort', onAbort, { once: true });
    let hung = false;
    const timer =
      timeLimitMs === undefined
        ? undefined
        : setTimeout(() => {
            hung = true;
            stop.abort();
          }, timeLimitMs);
    try {
      const result: unknown = await this.#threadPool().run(task.data, {
        filename: task.file,
        ...(task.name === undefined ? {} : { name: task.name }),
        transferList: [...transfer],
        signal: stop.signal,
      });
      end('completed');
      job.resolve(result);
    } catch (error) {
      const aborted = stopRunning && signal?.aborted === true && !hung;
      end(aborted || this.#closing ? 'aborted' : 'failed');
      if (aborted) job.reject(signal.reason);
      else if (this.#closing) job.reject(shuttingDown());
      else job.reject(hung ? this.#crashed(`took longer than ${timeLimitMs} ms`, error) : this.#explain(error));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#ended();
    }
  }

  #ended(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#onIdle();
    this.#next();
  }

  #explain(error: unknown): DhError {
    if (!(error instanceof Error)) {
      const known = DhError.from(error);
      if (known.code !== 'internal') return known;
    }
    const { message = String(error), code } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return this.#crashed('needed more memory than it may have', error);
    const exit = /^worker exited with code: (\d+)$/.exec(message)?.[1];
    return this.#crashed(exit === undefined ? `failed: ${message}` : `ended its thread with code ${exit}`, error);
  }

  #crashed(what: string, cause: unknown): DhError {
    return new DhError('task_crashed', `A task of "${this.name}" ${what}.`, {
      hint: 'Other tasks are not affected; the same one may succeed when it is tried again.',
      cause,
    });
  }

  #threadPool(): Piscina {
    if (this.#pool) return this.#pool;
    const { keptThreads = 0, idleMs = 30_000, resourceLimits } = this.#options;
    const pool = new Piscina({
      minThreads: keptThreads,
      maxThreads: MOST_THREADS,
      idleTimeout: idleMs,
      ...(resourceLimits ? { resourceLimits } : {}),
    });
    // A thread that could not be started takes none of the tasks that wait for it along: piscina would keep them for ever.
    pool.on('error', () => {
      if (pool.queueSize === 0 || this.#pool !== pool) return;
      this.#pool = null;
      void pool.destroy();
    });
    this.#pool = pool;
    return pool;
  }
}

function checkThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads;
  throw new RangeError(`a pool has 1 to ${MOST_THREADS} threads, not ${threads}`);
}

function shuttingDown(): DhError {
  return new DhError('shutting_down', 'The server is stopping.');
}
