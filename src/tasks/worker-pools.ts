import type { Clock, Closable } from '../units.js';
import type { PoolFigures, WorkFigures } from './work-figures.js';
import { WorkerPool, type SubmitOptions, type Task, type WorkerPoolOptions } from './worker-pool.js';

/** The types of work, each with its own threads: a burst of one does not hold up another. */
export const WORK_KINDS = ['voices', 'pictures', 'decode', 'other'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** What is known of a process that does work of a kind beside the threads. */
export interface ProcessWork {
  /** Processes that run now. */
  processes: number;
  /** Of the work that has begun, what waits for its turn in the process. */
  waiting: number;
}

export interface WorkerPoolsOptions {
  /** Differences from the defaults of a kind. */
  kinds?: Partial<Record<WorkKind, Partial<Omit<WorkerPoolOptions, 'name' | 'clock'>>>>;
  clock?: Clock;
}

const DEFAULTS: Record<WorkKind, Omit<WorkerPoolOptions, 'name'>> = {
  // A thread of voices takes 50 MB, and as long to load as several sentences to speak: one stays.
  voices: {
    threads: 1,
    keptThreads: 1,
    // Sound of a part is a few hundred KB; WebAssembly memory is outside of this limit.
    resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 8 },
  },
  pictures: { threads: 1, waitingCapacity: 64 },
  decode: { threads: 1, waitingCapacity: 16 },
  other: { threads: 1 },
};

/**
 * The worker threads of a process, by type of work. Pictures of strangers and strangers' sound files are worked on in
 * processes of their own; their work is counted here all the same, so that there is one table of all work.
 */
export class WorkerPools implements Closable {
  readonly #pools: Record<WorkKind, WorkerPool>;
  readonly #processes = new Map<WorkKind, () => ProcessWork>();

  constructor({ kinds = {}, clock }: WorkerPoolsOptions = {}) {
    const pool = (kind: WorkKind): WorkerPool =>
      new WorkerPool({ ...DEFAULTS[kind], ...kinds[kind], name: kind, ...(clock ? { clock } : {}) });
    this.#pools = {
      ...{ voices: pool('voices'), pictures: pool('pictures') },
      ...{ decode: pool('decode'), other: pool('other') },
    };
  }

  /** Runs a task in a thread: see `WorkerPool.submit`. */
  submit<R>(kind: WorkKind, task: Task, options?: SubmitOptions): Promise<R> {
    return this.#pools[kind].submit<R>(task, options);
  }

  /** Sets how many threads a kind may have, 1 to 64. */
  resize(kind: WorkKind, threads: number): void {
    this.#pools[kind].resize(threads);
  }

  /** Most threads of a kind. */
  threads(kind: WorkKind): number {
    return this.#pools[kind].stats().limitThreads;
  }

  /** Where work that a process does is counted; `look` says what that process has to do now. */
  processWork(kind: WorkKind, look: () => ProcessWork): WorkFigures {
    this.#processes.set(kind, look);
    return this.#pools[kind].figures;
  }

  /** One line for each kind. */
  stats(): PoolFigures[] {
    return WORK_KINDS.map((kind) => {
      const figures = this.#pools[kind].stats();
      const process = this.#processes.get(kind)?.();
      if (!process) return figures;
      return {
        ...figures,
        threads: figures.threads + process.processes,
        running: Math.max(0, figures.running - process.waiting),
        waiting: figures.waiting + process.waiting,
      };
    });
  }

  /** Collects the garbage of all threads that stay and have nothing to do. */
  async collectGarbage(): Promise<void> {
    await Promise.all(WORK_KINDS.map((kind) => this.#pools[kind].collectGarbage()));
  }

  /** Refuses what waits, lets what runs end for at most `drainMs`, then ends all threads. Twice is harmless. */
  async close(drainMs = 0): Promise<void> {
    await Promise.all(WORK_KINDS.map((kind) => this.#pools[kind].close(drainMs)));
  }
}
