import { TimingRing } from '../timing-ring.js';
import type { Clock } from '../units.js';

/** How a piece of work ended. */
export type Outcome = 'completed' | 'failed' | 'aborted';

/** A kind of work at one moment, as `/stats` shows it. Times are of the newest 256 pieces. */
export interface PoolFigures {
  pool: string;
  /** Threads and processes that are there now. */
  threads: number;
  /** Most of them at a time. */
  limitThreads: number;
  running: number;
  waiting: number;
  /** Most that may wait; what comes on top is refused. */
  waitingCapacity: number;
  completed: number;
  failed: number;
  aborted: number;
  /** completed / (completed + failed); null before the first. */
  successRate: number | null;
  meanMs: number;
  p95Ms: number;
  /** Time before the work began. */
  waitP95Ms: number;
}

const KEPT = 256;

/** Counts and times of one kind of work. */
export class WorkFigures {
  readonly #clock: Clock;
  readonly #ran = new TimingRing(KEPT);
  readonly #waited = new TimingRing(KEPT);
  readonly #counts = { completed: 0, failed: 0, aborted: 0 };
  running = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A piece of work begins, after having waited; the returned function ends it, once. */
  begin(waitedMs = 0): (outcome: Outcome, tookMs?: number) => void {
    const startedAt = this.#clock();
    this.#waited.add(waitedMs);
    this.running += 1;
    let ended = false;
    return (outcome, tookMs = this.#clock() - startedAt) => {
      if (ended) return;
      ended = true;
      this.running -= 1;
      this.#counts[outcome] += 1;
      if (outcome !== 'aborted') this.#ran.add(tookMs);
    };
  }

  /** Counts work that was given up before it began. */
  abandon(): void {
    this.#counts.aborted += 1;
  }

  /** Counts work that another process does. */
  async track<T>(work: () => Promise<T>): Promise<T> {
    const end = this.begin();
    try {
      const result = await work();
      end('completed');
      return result;
    } catch (error) {
      end('failed');
      throw error;
    }
  }

  /** Counts a source that another process feeds. The time that the reader takes between two pieces does not count. */
  async *trackEach<T>(source: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    const end = this.begin();
    const pieces = source[Symbol.asyncIterator]();
    let tookMs = 0;
    try {
      for (;;) {
        const askedAt = this.#clock();
        const next = await pieces.next();
        tookMs += this.#clock() - askedAt;
        if (next.done) break;
        yield next.value;
      }
      end('completed', tookMs);
    } catch (error) {
      end(signal?.aborted ? 'aborted' : 'failed', tookMs);
      throw error;
    } finally {
      end('aborted', tookMs); // the reader left
      await pieces.return?.();
    }
  }

  /** The figures, with what the owner of the work knows. */
  read(about: Pick<PoolFigures, 'pool' | 'threads' | 'limitThreads' | 'waiting' | 'waitingCapacity'>): PoolFigures {
    const { completed, failed } = this.#counts;
    return {
      ...about,
      running: this.running,
      ...this.#counts,
      successRate: completed + failed === 0 ? null : completed / (completed + failed),
      meanMs: this.#ran.summary().mean,
      p95Ms: this.#ran.quantile(0.95),
      waitP95Ms: this.#waited.quantile(0.95),
    };
  }
}
