import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { Clock, Closable } from '../units.js';

/** How long callbacks had to wait for the event loop, in ms. */
export interface LoopDelayFigures {
  p50: number;
  p99: number;
  max: number;
}

/** What is used of Node's histogram; passed in so that tests make their own. Nanoseconds. */
export type DelayHistogram = Pick<IntervalHistogram, 'enable' | 'disable' | 'reset' | 'percentile' | 'max' | 'count'>;

/** Node's histogram counts the whole time between two of its timers, so this much is taken off again. */
const RESOLUTION_MS = 20;
const WINDOW_MS = 1000;

/** Delay of this thread's event loop, over windows of a second: an old stall does not stay in the figures. */
export class LoopDelay implements Closable {
  readonly #histogram: DelayHistogram;
  readonly #clock: Clock;
  #windowBegan: number;
  #last: LoopDelayFigures = { p50: 0, p99: 0, max: 0 };

  constructor({
    clock = () => performance.now(),
    histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
  }: { clock?: Clock; histogram?: DelayHistogram } = {}) {
    this.#clock = clock;
    this.#histogram = histogram;
    this.#histogram.enable();
    this.#windowBegan = clock();
  }

  /** The figures of the last whole window; ends the present one when it is a second old. */
  read(): LoopDelayFigures {
    const now = this.#clock();
    if (now - this.#windowBegan < WINDOW_MS) return this.#last;
    this.#windowBegan = now;
    const over = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
    if (this.#histogram.count > 0) {
      const { max } = this.#histogram;
      this.#last = {
        p50: over(this.#histogram.percentile(50)),
        p99: over(this.#histogram.percentile(99)),
        max: over(max),
      };
    }
    this.#histogram.reset();
    return this.#last;
  }

  close(): void {
    this.#histogram.disable();
  }
}
