/** Columns of numbers over time, for charts: bounded, gaps are null. */
export class TimeTable {
  #most;
  #times = [];
  #columns = new Map();

  constructor(most = 700) {
    this.#most = most;
  }

  get names() {
    return [...this.#columns.keys()];
  }

  /** Times in seconds since 1970, as uPlot wants them. */
  get times() {
    return this.#times;
  }

  /** The values of a column, one a time; all null when there is no such column. */
  column(name) {
    return this.#columns.get(name) ?? this.#times.map(() => null);
  }

  /** Adds a row; what is not among the columns yet becomes one. Rows that are not newer than the last are left out. */
  add(seconds, values) {
    if (this.#times.length > 0 && seconds <= this.#times.at(-1)) return;
    for (const name of Object.keys(values)) {
      if (!this.#columns.has(name)) this.#columns.set(name, new Array(this.#times.length).fill(null));
    }
    this.#times.push(seconds);
    for (const [name, list] of this.#columns) list.push(Number.isFinite(values[name]) ? values[name] : null);
    if (this.#times.length <= this.#most) return;
    this.#times.shift();
    for (const [name, list] of this.#columns) {
      list.shift();
      // What was not seen in the whole window is gone.
      if (list.at(-1) === null && list.every((value) => value === null)) this.#columns.delete(name);
    }
  }

  clear() {
    this.#times = [];
    this.#columns.clear();
  }
}
