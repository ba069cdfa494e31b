import type { MemoryFigures, MemoryUser } from './memory-registry.js';
import { RingTable } from './ring-table.js';

export type Resolution = '1s' | '1m';

/** The figures of a column over the last ten minutes; null where nothing is known. */
export interface ColumnSummary {
  min: number | null;
  mean: number | null;
  p95: number | null;
  max: number | null;
}

export interface HistoryTable {
  resolution: Resolution;
  /** The first one is `atMs`, milliseconds since 1970. */
  columns: string[];
  rows: (number | null)[][];
  /** With `1m`: the largest values of each minute; `rows` are means. */
  maxRows?: (number | null)[][];
}

const SECONDS = 600;
const MINUTES = 24 * 60;
const MINUTE_MS = 60_000;

/** What a server measured: each second for ten minutes, each minute (mean and largest) for a day. Its size is fixed. */
export class History implements MemoryUser {
  readonly name = 'history of measurements';
  readonly owner = 'monitor';
  readonly kind = 'pool';
  readonly columns: readonly string[];
  readonly #index: ReadonlyMap<string, number>;
  readonly #seconds: RingTable;
  readonly #means: RingTable;
  readonly #maxima: RingTable;
  readonly #row: Float32Array;
  readonly #sums: Float64Array;
  readonly #counts: Uint32Array;
  readonly #largest: Float64Array;
  #minute = Number.NaN;

  /** `columns`: names of what is kept, without the time. */
  constructor(columns: readonly string[]) {
    this.columns = columns;
    this.#index = new Map(columns.map((name, i) => [name, i]));
    this.#seconds = new RingTable(SECONDS, columns.length);
    this.#means = new RingTable(MINUTES, columns.length);
    this.#maxima = new RingTable(MINUTES, columns.length);
    this.#row = new Float32Array(columns.length);
    this.#sums = new Float64Array(columns.length);
    this.#counts = new Uint32Array(columns.length);
    this.#largest = new Float64Array(columns.length).fill(Number.NEGATIVE_INFINITY);
  }

  /** Takes a measurement in: values by column; what is missing or null is not known, other names are left out. */
  add(atMs: number, values: Readonly<Record<string, number | null | undefined>>): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    if (minute !== this.#minute) this.#endMinute();
    this.#minute = minute;
    this.#row.fill(Number.NaN);
    for (const [name, value] of Object.entries(values)) {
      const i = this.#index.get(name);
      if (i === undefined || value === null || value === undefined || !Number.isFinite(value)) continue;
      this.#row[i] = value;
      this.#sums[i] = (this.#sums[i] ?? 0) + value;
      this.#counts[i] = (this.#counts[i] ?? 0) + 1;
      this.#largest[i] = Math.max(this.#largest[i] ?? value, value);
    }
    this.#seconds.push(atMs, this.#row);
  }

  table(resolution: Resolution): HistoryTable {
    const columns = ['atMs', ...this.columns];
    if (resolution === '1s') return { resolution, columns, rows: this.#seconds.rows() };
    return { resolution, columns, rows: this.#means.rows(), maxRows: this.#maxima.rows() };
  }

  /** Of the last ten minutes, by column. */
  summary(): { seconds: number; columns: Record<string, ColumnSummary> } {
    const columns: Record<string, ColumnSummary> = {};
    this.columns.forEach((name, i) => (columns[name] = summarise(this.#seconds.column(i))));
    return { seconds: this.#seconds.length, columns };
  }

  figures(): MemoryFigures {
    const bytes = this.#seconds.bytes + this.#means.bytes + this.#maxima.bytes;
    const items = this.#seconds.length + this.#means.length;
    return { bytes, limitBytes: bytes, items, hits: 0, misses: 0, evictions: 0 };
  }

  #endMinute(): void {
    if (!Number.isNaN(this.#minute)) {
      const means = this.columns.map((_, i) => {
        const count = this.#counts[i] ?? 0;
        return count === 0 ? Number.NaN : (this.#sums[i] ?? 0) / count;
      });
      const maxima = this.columns.map((_, i) =>
        this.#counts[i] === 0 ? Number.NaN : (this.#largest[i] ?? Number.NaN),
      );
      this.#means.push(this.#minute * MINUTE_MS, means);
      this.#maxima.push(this.#minute * MINUTE_MS, maxima);
    }
    this.#sums.fill(0);
    this.#counts.fill(0);
    this.#largest.fill(Number.NEGATIVE_INFINITY);
  }
}

function summarise(values: number[]): ColumnSummary {
  if (values.length === 0) return { min: null, mean: null, p95: null, max: null };
  values.sort((a, b) => a - b);
  const at = (q: number): number => values[Math.max(0, Math.ceil(q * values.length) - 1)] ?? Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { min: at(0), mean, p95: at(0.95), max: at(1) };
}
