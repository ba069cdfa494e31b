/**
 * The newest rows of a table of numbers, in memory that is allocated once. A row that is added when all are in use takes
 * the place of the oldest. NaN stands for what is not known.
 */
export class RingTable {
  readonly capacity: number;
  readonly width: number;
  readonly #times: Float64Array;
  readonly #values: Float32Array;
  #next = 0;
  #length = 0;

  /** `capacity` rows of `width` values. Throws RangeError unless both are at least 1. */
  constructor(capacity: number, width: number) {
    if (!(capacity >= 1 && width >= 1)) throw new RangeError(`a table of ${capacity} rows and ${width} columns`);
    this.capacity = capacity;
    this.width = width;
    this.#times = new Float64Array(capacity);
    this.#values = new Float32Array(capacity * width);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#times.byteLength + this.#values.byteLength;
  }

  /** Copies a row in. Throws RangeError for a row of another width. */
  push(atMs: number, row: ArrayLike<number>): void {
    if (row.length !== this.width) throw new RangeError(`a row of ${row.length} for ${this.width} columns`);
    this.#times[this.#next] = atMs;
    this.#values.set(row, this.#next * this.width);
    this.#next = (this.#next + 1) % this.capacity;
    this.#length = Math.min(this.capacity, this.#length + 1);
  }

  /** Time of row `i`, oldest first. */
  time(i: number): number {
    return this.#times[this.#slot(i)] ?? Number.NaN;
  }

  /** Value of row `i`, oldest first, in a column. */
  value(i: number, column: number): number {
    return this.#values[this.#slot(i) * this.width + column] ?? Number.NaN;
  }

  /** All values of a column that are known, oldest first. */
  column(column: number): number[] {
    const out: number[] = [];
    for (let i = 0; i < this.#length; i++) {
      const value = this.value(i, column);
      if (!Number.isNaN(value)) out.push(value);
    }
    return out;
  }

  /** Rows as JSON has them: the time first, null for what is not known. */
  rows(): (number | null)[][] {
    return Array.from({ length: this.#length }, (_, i) => {
      const row: (number | null)[] = [this.time(i)];
      for (let column = 0; column < this.width; column++) {
        const value = this.value(i, column);
        row.push(Number.isNaN(value) ? null : tidy(value));
      }
      return row;
    });
  }

  #slot(i: number): number {
    return (this.#next - this.#length + i + this.capacity) % this.capacity;
  }
}

/** A 32-bit float carries 7 digits: the rest of the decimal expansion is noise, and bytes on the wire. */
function tidy(value: number): number {
  return Math.abs(value) >= 1e6 ? Math.round(value) : Number(value.toPrecision(7));
}
