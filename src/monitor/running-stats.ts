/** Numbers of a series, all in the unit of what was added. */
export interface SeriesSummary {
  count: number;
  min: number;
  mean: number;
  p95: number;
  max: number;
}

/** Width of a class of the histogram: quantiles are right within half of it. */
const CLASS_RATIO = 1.005;
const LOG_RATIO = Math.log(CLASS_RATIO);

/**
 * Least, mean, 95 % and most of any number of values in constant memory: values are counted in classes half a percent
 * wide, so a series between 1 kB and 1 TB takes at most some four thousand counters however long it gets.
 */
export class RunningStats {
  readonly #classes = new Map<number, number>();
  #count = 0;
  #mean = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** Takes a value in; values below 1 share one class, what is not finite is ignored. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#count += 1;
    this.#mean += (value - this.#mean) / this.#count;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    const index = value < 1 ? -1 : Math.floor(Math.log(value) / LOG_RATIO);
    this.#classes.set(index, (this.#classes.get(index) ?? 0) + 1);
  }

  /** Null of nothing. */
  summary(): SeriesSummary | null {
    if (this.#count === 0) return null;
    const { min, max } = { min: this.#min, max: this.#max };
    return { count: this.#count, min, mean: this.#mean, p95: this.#quantile(0.95), max };
  }

  #quantile(q: number): number {
    let left = Math.ceil(q * this.#count);
    for (const index of [...this.#classes.keys()].sort((a, b) => a - b)) {
      left -= this.#classes.get(index) ?? 0;
      if (left > 0) continue;
      const middle = index < 0 ? this.#min : CLASS_RATIO ** (index + 0.5);
      return Math.min(this.#max, Math.max(this.#min, middle));
    }
    return this.#max;
  }
}
