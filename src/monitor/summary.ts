import { clockText } from '../durations.js';
import { RunningStats, type SeriesSummary } from './running-stats.js';
import { totalsOf, type Sample } from './sample.js';
import { mb, pad } from './text.js';
import { Trend, type Slope } from '../guard/trend.js';

/** Names of processes that are told apart; a server has a handful. */
const MOST_SERIES = 64;

/** A server younger than this is still filling its caches and heaps, in ms. */
const WARM_UP = 10 * 60_000;

class Series {
  readonly #stats = new RunningStats();
  readonly #trend: Trend;

  constructor(blockMs: number) {
    this.#trend = new Trend(blockMs);
  }

  add(atMs: number, bytes: number): void {
    this.#stats.add(bytes);
    this.#trend.add(atMs, bytes);
  }

  summary(): MemorySummary | null {
    const stats = this.#stats.summary();
    return stats && { ...stats, slope: this.#trend.slope() };
  }
}

/** A series of memory in bytes; the slope in bytes per hour. */
export interface MemorySummary extends SeriesSummary {
  slope: Slope | null;
}

/** What is left of a time of watching: the object at the end of `--json`. */
export interface SummaryJson {
  type: 'summary';
  subject: string;
  samples: number;
  durationMs: number;
  /** How long the server had run when watching began; null: not known. */
  uptimeMs: number | null;
  limitBytes: number | null;
  rssBytes: MemorySummary | null;
  unaccountedBytes: MemorySummary | null;
  processes: Record<string, MemorySummary>;
  cpuPercent: SeriesSummary | null;
  fpsLowest: SeriesSummary | null;
  processingMsP99: SeriesSummary | null;
  alerts: string[];
  exceeded: Exceeded | null;
  ended: string | null;
}

/** When and by what a limit was passed. */
export interface Exceeded {
  atMs: number;
  rssBytes: number;
  maxBytes: number;
  process: string;
  processBytes: number;
}

/** Everything that the summary needs, in constant memory however long it goes on. */
export class Summary {
  readonly #blockMs: number;
  readonly #total: Series;
  readonly #unaccounted: Series;
  readonly #processes = new Map<string, Series>();
  readonly #cpu = new RunningStats();
  readonly #fps = new RunningStats();
  readonly #processing = new RunningStats();
  /** The last words of each alert: its figures change while it is active. */
  readonly #alerts = new Map<string, string>();
  #first: number | null = null;
  #uptimeMs: number | null = null;
  #last = 0;
  #samples = 0;
  #limitBytes: number | null = null;

  constructor(intervalMs: number) {
    this.#blockMs = Math.max(10_000, 5 * intervalMs);
    this.#total = new Series(this.#blockMs);
    this.#unaccounted = new Series(this.#blockMs);
  }

  get samples(): number {
    return this.#samples;
  }

  /** Slope of the whole server's memory so far. */
  get slope(): Slope | null {
    return this.#total.summary()?.slope ?? null;
  }

  add(sample: Sample): void {
    const { atMs } = sample;
    const totals = totalsOf(sample);
    if (this.#first === null) this.#uptimeMs = sample.uptimeMs;
    this.#first ??= atMs;
    this.#last = atMs;
    this.#samples += 1;
    this.#limitBytes = sample.limitBytes;
    this.#total.add(atMs, sample.rssBytes);
    if (totals.unaccountedBytes !== null) this.#unaccounted.add(atMs, totals.unaccountedBytes);
    this.#cpu.add(totals.cpuPercent ?? Number.NaN);
    this.#fps.add(totals.fpsLowest ?? Number.NaN);
    this.#processing.add(totals.processingMsP99 ?? Number.NaN);
    for (const { name, rssBytes } of sample.processes) this.#seriesOf(name)?.add(atMs, rssBytes);
    for (const { id, message } of sample.alerts) {
      if (this.#alerts.size < MOST_SERIES || this.#alerts.has(id)) this.#alerts.set(id, message);
    }
  }

  json(subject: string, exceeded: Exceeded | null, ended: string | null): SummaryJson {
    const processes: Record<string, MemorySummary> = {};
    for (const [name, series] of this.#processes) {
      const summary = series.summary();
      if (summary) processes[name] = summary;
    }
    return {
      type: 'summary',
      subject,
      samples: this.#samples,
      durationMs: this.#last - (this.#first ?? this.#last),
      uptimeMs: this.#uptimeMs,
      limitBytes: this.#limitBytes,
      rssBytes: this.#total.summary(),
      unaccountedBytes: this.#unaccounted.summary(),
      processes,
      cpuPercent: this.#cpu.summary(),
      fpsLowest: this.#fps.summary(),
      processingMsP99: this.#processing.summary(),
      alerts: [...this.#alerts.values()],
      exceeded,
      ended,
    };
  }

  #seriesOf(name: string): Series | null {
    let series = this.#processes.get(name) ?? null;
    if (!series && this.#processes.size < MOST_SERIES) this.#processes.set(name, (series = new Series(this.#blockMs)));
    return series;
  }
}

/** The summary for people, line by line. */
export function summaryLines(summary: SummaryJson): string[] {
  const { subject, samples, durationMs, limitBytes, rssBytes, unaccountedBytes, processes } = summary;
  const lines = [`${subject}: ${samples} ${samples === 1 ? 'sample' : 'samples'} in ${clockText(durationMs)}`];
  if (rssBytes === null) return lines;
  lines.push(`${pad('MB', 14)}${['min', 'mean', 'p95', 'max'].map((name) => pad(name, -9)).join('')}   slope (95 %)`);
  const row = (name: string, one: MemorySummary): string =>
    `${pad(name, 14)}${[one.min, one.mean, one.p95, one.max].map((bytes) => pad(mb(bytes), -9)).join('')}   ${slopeText(one.slope)}`;
  lines.push(row('all', rssBytes), ...Object.entries(processes).map(([name, one]) => row(name, one)));
  if (unaccountedBytes) lines.push(row('unaccounted', unaccountedBytes));
  const figures = (name: string, one: SeriesSummary | null, digits: number): void => {
    if (!one) return;
    lines.push(pad(name, 14) + [one.min, one.mean, one.p95, one.max].map((v) => pad(v.toFixed(digits), -9)).join(''));
  };
  figures('CPU %', summary.cpuPercent, 0);
  figures('lowest fps', summary.fpsLowest, 1);
  figures('p99 ms', summary.processingMsP99, 1);
  if (limitBytes !== null) {
    lines.push(`limit ${mb(limitBytes)} MB, most used ${((100 * rssBytes.max) / limitBytes).toFixed(0)} % of it`);
  }
  lines.push(verdict(rssBytes.slope));
  const young = summary.uptimeMs !== null && summary.uptimeMs < WARM_UP;
  if (young && rssBytes.slope && rssBytes.slope.lowPerHour > 0) {
    lines.push('       the server had just started: what it needs to warm up looks like growth');
  }
  for (const alert of summary.alerts) lines.push(`alert: ${alert}`);
  return lines;
}

/** A slope in words: "+1.2 MB/h (−0.3 … +2.7)". */
export function slopeText(slope: Slope | null): string {
  if (!slope) return 'not known yet';
  const sign = (bytes: number): string => `${bytes < 0 ? '−' : '+'}${mb(Math.abs(bytes))}`;
  return `${sign(slope.perHour)} MB/h (${sign(slope.lowPerHour)} … ${sign(slope.highPerHour)})`;
}

function verdict(slope: Slope | null): string {
  if (!slope) return 'slope: too short a time to tell; a minute is the least';
  if (slope.lowPerHour > 0) return `slope: memory grows, ${slopeText(slope)}`;
  if (slope.highPerHour < 0) return `slope: memory shrinks, ${slopeText(slope)}`;
  return `slope: no growth that could be told from noise, ${slopeText(slope)}`;
}
