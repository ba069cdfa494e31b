import type { MemoryConfig, MonitorConfig } from '../config/schema.js';
import { Trend } from './trend.js';
import { FRAME_RATE } from '../units.js';
import { ALERT_RULES as RULES } from './alert-rules.js';
import { AlertBook, type Alert } from './alerts.js';
import type { ProcessReading, ServerReading } from './readings.js';

export interface AlertWatchOptions {
  /** Read at every look: both can change while the server runs. */
  settings: () => { memory: MemoryConfig; monitor: MonitorConfig };
  raised: (alert: Alert) => void;
  cleared: (alert: Alert) => void;
}

const MB = 1e6;
const MINUTE = 60_000;
/** Memory that grows is only spoken of after this time; until then everything grows that is being loaded. */
const GROWTH_LEAST_MS = 10 * MINUTE;
/** A trend that is this old begins anew, so that a leak of today is not hidden by a quiet week. */
const GROWTH_MOST_MS = 60 * MINUTE;
const RESTART_WINDOW = 5 * MINUTE;
const FAILURE_WINDOW = 10 * MINUTE;
const FAILURES = 3;
const SPINNING_PERCENT = 95;

/** Looks at each measurement of the server and raises and clears alerts. */
export class AlertWatch {
  readonly book: AlertBook;
  readonly #settings: AlertWatchOptions['settings'];
  readonly #counters = new Map<string, CounterWindow>();
  readonly #trends = new Map<string, GrowthWindow>();

  constructor({ settings, raised, cleared }: AlertWatchOptions) {
    this.#settings = settings;
    this.book = new AlertBook({ raised, cleared });
  }

  look(reading: ServerReading): void {
    const { book } = this;
    const { monitor } = this.#settings();
    const { atMs } = reading;
    book.begin(atMs);
    // What is lent, and used by those who have borrowed it, is neither room nor a burden for the others.
    const kept = reading.processes.reduce((sum, one) => sum + Math.max(0, one.rssBytes - one.loanBytes), 0);
    const lent = reading.processes.reduce((sum, { loanBytes }) => sum + loanBytes, 0);
    this.#memory('server', kept, reading.limitBytes - lent);
    for (const process of reading.processes) this.#process(process, atMs);
    this.#forget(reading);
    const cpuAt = monitor.cpuPercent;
    book.observe(RULES.cpu, {
      subject: 'server',
      value: reading.machineCpuPercent,
      raiseAt: cpuAt,
      clearAt: 0.9 * cpuAt,
    });
    for (const { id, fps, targetFps } of reading.sessions) {
      const limit = tenths((targetFps * monitor.fps) / FRAME_RATE);
      const clearAt = tenths((limit + targetFps) / 2);
      book.observe(RULES.fps, { subject: id, value: targetFps > 0 ? fps : Infinity, raiseAt: limit, clearAt });
    }
    const free = reading.diskFreeBytes;
    book.observe(RULES.disk, {
      subject: 'disk',
      value: free === null ? null : free / MB,
      raiseAt: monitor.diskFreeMb,
      clearAt: 1.2 * monitor.diskFreeMb,
    });
    for (const { index, restarts } of reading.stages) {
      const value = this.#counter(`stage-${index}`, RESTART_WINDOW).add(restarts, atMs);
      book.observe(RULES.restarts, { subject: `stage-${index}`, value, raiseAt: 1, clearAt: 1 });
    }
    for (const [subject, failures] of Object.entries(reading.helperFailures)) {
      const value = this.#counter(subject, FAILURE_WINDOW).add(failures, atMs);
      book.observe(RULES.helperFails, { subject, value, raiseAt: FAILURES, clearAt: FAILURES });
    }
    book.end();
  }

  #process(process: ProcessReading, atMs: number): void {
    const { book } = this;
    const { monitor } = this.#settings();
    const { name: subject } = process;
    if (process.limitBytes !== null) this.#memory(subject, process.rssBytes, process.limitBytes);
    const late = monitor.eventLoopDelayMs;
    const value = process.eventLoopDelayMsP99;
    book.observe(RULES.eventLoopDelay, { subject, value, raiseAt: late, clearAt: 0.5 * late });
    const busiest = process.busiestThreadPercent;
    book.observe(RULES.threadSpins, {
      subject,
      value: busiest,
      raiseAt: SPINNING_PERCENT,
      clearAt: 0.9 * SPINNING_PERCENT,
    });
    const trend = this.#trends.get(subject);
    const window = trend?.pid === process.pid ? trend : new GrowthWindow(process.pid);
    this.#trends.set(subject, window);
    const growth = process.unaccountedBytes === null ? null : window.add(process.unaccountedBytes / MB, atMs);
    const most = monitor.unaccountedMbPerHour;
    book.observe(RULES.growth, { subject, value: growth, raiseAt: most, clearAt: 0.8 * most });
  }

  #memory(subject: string, bytes: number, limitBytes: number): void {
    const { softShare, softRelease, hardShare, hardRelease } = this.#settings().memory;
    const limit = limitBytes / MB;
    const value = bytes / MB;
    this.book.observe(RULES.memorySoft, { subject, value, raiseAt: softShare * limit, clearAt: softRelease * limit });
    this.book.observe(RULES.memoryHard, { subject, value, raiseAt: hardShare * limit, clearAt: hardRelease * limit });
  }

  #forget({ processes }: ServerReading): void {
    const names = new Set(processes.map(({ name }) => name));
    for (const name of this.#trends.keys()) if (!names.has(name)) this.#trends.delete(name);
  }

  #counter(name: string, windowMs: number): CounterWindow {
    const counter = this.#counters.get(name) ?? new CounterWindow(windowMs);
    this.#counters.set(name, counter);
    return counter;
  }
}

/** By how much a counter rose within the last `windowMs`. */
class CounterWindow {
  readonly #windowMs: number;
  readonly #rises: { atMs: number; by: number }[] = [];
  #last: number | null = null;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(count: number, atMs: number): number {
    const by = this.#last === null ? 0 : count - this.#last;
    this.#last = count;
    if (by > 0) this.#rises.push({ atMs, by });
    while (this.#rises[0] && atMs - this.#rises[0].atMs > this.#windowMs) this.#rises.shift();
    return this.#rises.reduce((sum, rise) => sum + rise.by, 0);
  }
}

/** Growth of one process's memory: the lower end of the confidence interval of its slope. */
class GrowthWindow {
  readonly pid: number;
  #trend = new Trend();
  #next: Trend | null = null;
  #beganMs: number | null = null;
  #nextBeganMs = 0;

  constructor(pid: number) {
    this.pid = pid;
  }

  /** In MB per hour; null while nothing can be said. */
  add(valueMb: number, atMs: number): number | null {
    this.#beganMs ??= atMs;
    this.#trend.add(atMs, valueMb);
    // The one that follows is half an hour younger, so that there always is one with enough in it.
    if (!this.#next && atMs - this.#beganMs >= GROWTH_MOST_MS / 2) {
      this.#next = new Trend();
      this.#nextBeganMs = atMs;
    }
    this.#next?.add(atMs, valueMb);
    if (this.#next && atMs - this.#beganMs >= GROWTH_MOST_MS) {
      this.#trend = this.#next;
      this.#beganMs = this.#nextBeganMs;
      this.#next = null;
    }
    if (atMs - this.#beganMs < GROWTH_LEAST_MS) return null;
    return this.#trend.slope()?.lowPerHour ?? null;
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
