import { Counter, Gauge, type Registry } from 'prom-client';

/** Labels of one series, all of a metric's labels. */
export type Labels = Record<string, string>;

const PREFIX = 'dh_live_';
/** Keeps label sets apart: no name contains it. */
const SEPARATOR = '\u0000';

/** A gauge whose series are given anew at each scrape: what is not given is gone. */
export class FreshGauge {
  readonly #gauge: Gauge;

  constructor(register: Registry, name: string, help: string, labelNames: string[] = []) {
    this.#gauge = new Gauge({ name: PREFIX + name, help, labelNames, registers: [register] });
  }

  /** Begins a scrape. */
  reset(): void {
    this.#gauge.reset();
    // Without labels a reset leaves a 0 that nobody measured.
    this.#gauge.remove({});
  }

  set(labels: Labels, value: number | null | undefined): void {
    if (typeof value === 'number' && Number.isFinite(value)) this.#gauge.set(labels, value);
  }
}

/**
 * A counter that follows counts kept elsewhere. A count that went down began anew (its process was replaced), and goes on
 * from what was counted before: a counter of Prometheus only falls when its series was removed.
 */
export class FollowingCounter {
  readonly #counter: Counter;
  readonly #seen = new Map<string, { labels: Labels; last: Map<string, number> }>();

  constructor(register: Registry, name: string, help: string, labelNames: string[] = []) {
    this.#counter = new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers: [register] });
  }

  /** `part` names the count that is followed when several go into one series, as those of a session's viewers. */
  follow(labels: Labels, value: number, part = ''): void {
    if (!Number.isFinite(value)) return;
    const key = Object.values(labels).join(SEPARATOR);
    let series = this.#seen.get(key);
    if (!series) this.#seen.set(key, (series = { labels, last: new Map() }));
    const last = series.last.get(part) ?? 0;
    series.last.set(part, value);
    this.#counter.inc(labels, value >= last ? value - last : value);
  }

  /** Adds to a count that is kept here. */
  add(labels: Labels, by = 1): void {
    const key = Object.values(labels).join(SEPARATOR);
    if (!this.#seen.has(key)) this.#seen.set(key, { labels, last: new Map() });
    this.#counter.inc(labels, by);
  }

  /** Forgets the parts of a series that are not there any more; what they counted stays counted. */
  keepParts(labels: Labels, parts: ReadonlySet<string>): void {
    const last = this.#seen.get(Object.values(labels).join(SEPARATOR))?.last;
    if (last) for (const part of last.keys()) if (!parts.has(part)) last.delete(part);
  }

  /** Removes all series with these labels. */
  remove(match: Labels): void {
    for (const [key, { labels }] of this.#seen) {
      if (!Object.entries(match).every(([name, value]) => labels[name] === value)) continue;
      this.#seen.delete(key);
      this.#counter.remove(labels);
    }
  }
}
