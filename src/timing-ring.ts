/** Mean, quantiles and maximum of the newest values, in milliseconds. */
export interface TimingSummary {
  mean: number;
  p50: number;
  p99: number;
  max: number;
}

/** The newest values of a measurement; a fixed ring, adding allocates nothing. */
export class TimingRing {
  readonly #values: Float64Array;
  #next = 0;
  #count = 0;

  /** Keeps `capacity` values (1000 unless told: 40 s of pictures). */
  constructor(capacity = 1000) {
    this.#values = new Float64Array(capacity);
  }

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#values.length;
    this.#count = Math.min(this.#count + 1, this.#values.length);
  }

  /** The value below which a share `q` (0…1) of the kept ones lies; 0 when nothing was measured. Sorts a copy. */
  quantile(q: number): number {
    const sorted = this.#values.slice(0, this.#count).sort();
    return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
  }

  /** How many of the kept values are greater than `limit`. */
  countAbove(limit: number): number {
    let count = 0;
    for (let i = 0; i < this.#count; i++) if ((this.#values[i] ?? 0) > limit) count += 1;
    return count;
  }

  /** All zero when nothing was measured. Sorts a copy: for `/stats`, not for every frame. */
  summary(): TimingSummary {
    const sorted = this.#values.slice(0, this.#count).sort();
    const rank = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
    const sum = sorted.reduce((total, value) => total + value, 0);
    return { mean: sum / Math.max(1, sorted.length), p50: rank(0.5), p99: rank(0.99), max: rank(1) };
  }
}
