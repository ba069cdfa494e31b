/** A slope with its 95 % confidence interval, per hour in the unit of what was added. */
export interface Slope {
  perHour: number;
  lowPerHour: number;
  highPerHour: number;
  /** Blocks that it was computed from, and how long each is. */
  blocks: number;
  blockMs: number;
}

/** The blocks are merged in pairs when there are this many: memory stays constant, blocks get longer. */
const MOST_BLOCKS = 128;
/** Fewer blocks say nothing about a slope. */
const LEAST_BLOCKS = 5;
const HOUR = 3_600_000;

/**
 * Whether a series of memory figures grows, in constant memory.
 *
 * The samples are not independent: the heap grows until it is collected, so neighbours resemble each other, and a least
 * squares fit through thousands of them gives an interval far too narrow to be true. Therefore (1) only the floor of
 * each block of time counts, which is what is left after a collection and where a leak shows; and (2) what correlation
 * is left between the blocks (lag 1 of the residuals, corrected for its bias in short series) widens the interval and
 * takes degrees of freedom away, as if there were only n (1 − r) / (1 + r) of them.
 */
export class Trend {
  #blockMs: number;
  #startMs: number | null = null;
  /** Floor of each block from the start; null: no sample fell into it. The last one is still being filled. */
  #floors: (number | null)[] = [];

  /** `blockMs`: length of the first blocks. */
  constructor(blockMs = 10_000) {
    this.#blockMs = blockMs;
  }

  /** Takes a value in; time must not go back. */
  add(atMs: number, value: number): void {
    this.#startMs ??= atMs;
    let index = Math.floor((atMs - this.#startMs) / this.#blockMs);
    while (index >= MOST_BLOCKS) {
      this.#merge();
      index = Math.floor((atMs - this.#startMs) / this.#blockMs);
    }
    while (this.#floors.length <= index) this.#floors.push(null);
    this.#floors[index] = lower(this.#floors[index], value);
  }

  /** Null while there are too few whole blocks. */
  slope(): Slope | null {
    const points: Point[] = [];
    // The floor of a block that is not over yet is not comparable with the others.
    this.#floors.slice(0, -1).forEach((floor, i) => {
      if (floor !== null) points.push({ x: ((i + 0.5) * this.#blockMs) / HOUR, y: floor });
    });
    if (points.length < LEAST_BLOCKS) return null;
    const { slope, halfWidth } = fit(points);
    return {
      perHour: slope,
      lowPerHour: slope - halfWidth,
      highPerHour: slope + halfWidth,
      blocks: points.length,
      blockMs: this.#blockMs,
    };
  }

  #merge(): void {
    const merged: (number | null)[] = [];
    for (let i = 0; i < this.#floors.length; i += 2) {
      const [a, b] = [this.#floors[i] ?? null, this.#floors[i + 1] ?? null];
      merged.push(a === null ? b : lower(b, a));
    }
    this.#floors = merged;
    this.#blockMs *= 2;
  }
}

interface Point {
  x: number;
  y: number;
}

/** Least squares line, with half the width of the 95 % interval of its slope. */
function fit(points: readonly Point[]): { slope: number; halfWidth: number } {
  const n = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / n;
  let sxx = 0;
  let sxy = 0;
  for (const { x, y } of points) {
    sxx += (x - meanX) ** 2;
    sxy += (x - meanX) * (y - meanY);
  }
  const slope = sxy / sxx;
  const residuals = points.map(({ x, y }) => y - meanY - slope * (x - meanX));
  const squares = residuals.reduce((sum, r) => sum + r * r, 0);
  const r = correlation(residuals, squares);
  const effective = (n * (1 - r)) / (1 + r);
  const error = Math.sqrt(squares / (n - 2) / sxx) * Math.sqrt((1 + r) / (1 - r));
  return { slope, halfWidth: tQuantile(Math.max(1, effective - 2)) * error };
}

/** Correlation of neighbours, 0 … 0.9. A fitted line takes some of it away: the usual correction puts that back. */
function correlation(residuals: readonly number[], squares: number): number {
  const n = residuals.length;
  if (squares === 0) return 0;
  let products = 0;
  for (let i = 1; i < n; i++) products += (residuals[i] ?? 0) * (residuals[i - 1] ?? 0);
  const seen = products / squares;
  const corrected = n > 8 ? (n * seen + 2) / (n - 4) : seen;
  return Math.min(0.9, Math.max(0, corrected));
}

/** 97.5 % quantile of Student's t for `df` ≥ 1 degrees of freedom, which need not be whole. */
export function tQuantile(df: number): number {
  // Exact for 1 and 2; between and above, the expansion of Cornish and Fisher (within 0.5 % from 3 on).
  const z = 1.959964;
  const exact = [12.7062, 4.30265, 3.18245];
  if (df < 3) {
    const whole = Math.floor(df);
    const [a, b] = [exact[whole - 1] ?? 12.7062, exact[whole] ?? 3.18245];
    return a + (b - a) * (df - whole);
  }
  const z3 = z ** 3;
  const z5 = z ** 5;
  const z7 = z ** 7;
  return (
    z +
    (z3 + z) / (4 * df) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * df ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * df ** 3)
  );
}

function lower(a: number | null | undefined, b: number): number {
  return a === null || a === undefined ? b : Math.min(a, b);
}
