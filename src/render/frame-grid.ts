import { SAMPLE_RATE } from '../units.js';

/** Pictures a second as a fraction, as in 30000/1001. */
export interface FrameRate {
  num: number;
  den: number;
}

/**
 * The pictures of a part on the sample clock: picture n begins at sample round(n × samples a picture), counted from the
 * part's first sample, so nothing adds up. The last one is up to half a picture shorter or longer, so that picture and
 * sound end together.
 */
export class FrameGrid {
  /** How many pictures there are; at least one. */
  readonly count: number;
  readonly #lengthSamples: number;
  readonly #num: number;
  readonly #den: number;

  constructor(lengthSamples: number, { num, den }: FrameRate) {
    this.#lengthSamples = lengthSamples;
    this.#num = SAMPLE_RATE * den;
    this.#den = num;
    this.count = Math.max(1, Math.round((lengthSamples * this.#den) / this.#num));
  }

  /** First sample of picture `n`. */
  startOf(n: number): number {
    return n >= this.count ? this.#lengthSamples : Math.round((n * this.#num) / this.#den);
  }

  /** Samples during which picture `n` is seen. */
  durationOf(n: number): number {
    return this.startOf(n + 1) - this.startOf(n);
  }

  /** The first picture whose middle lies at or after a sample: where a picture that begins there is shown. */
  firstAt(sample: number): number {
    return Math.min(this.count, Math.max(0, Math.ceil((sample * this.#den) / this.#num - 0.5)));
  }
}
