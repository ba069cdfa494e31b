import { DhError } from '../errors.js';
import { CsvFile } from './csv-file.js';
import { clockText } from '../durations.js';
import { CSV_HEADER, csvRow, jsonLine, plainLine } from './lines.js';
import type { Sample, Source } from './sample.js';
import { ChartHistory, renderScreen, type ScreenView } from './screen.js';
import { Summary, summaryLines, type Exceeded } from './summary.js';
import { Terminal, type TerminalStream } from './terminal.js';
import { mb } from './text.js';

/** Exit codes of the monitor. A wrong command line, and a server that cannot be had from the start, give 2. */
export const EXIT = { done: 0, exceeded: 1, lost: 3 } as const;

export interface MonitorOptions {
  intervalMs: number;
  /** Ends by itself after this; null: goes on until it is stopped. */
  forMs: number | null;
  /** Ends with code 1 when more memory than this is used; null: no limit. */
  maxBytes: number | null;
  csv: string | null;
  json: boolean;
}

/** The outside world. */
export interface MonitorIo {
  out: TerminalStream & { isTTY?: boolean };
  /** Notes and warnings, so that they do not mix with what is piped on. */
  note: (text: string) => void;
  colours: boolean;
  /** Fires when the operator wants it to end. */
  stop: AbortSignal;
  /** Monotonic, in ms. */
  clock: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Samples that may fail in a row before the server counts as gone, and how soon it is asked again, in ms. */
const PATIENCE = 3;
const RETRY = 1_000;

/**
 * Watches until it is stopped, the time is over, too much memory is used, or the server is gone; then prints the
 * summary. Returns the exit code. Throws what the first sample throws: there is nothing to sum up then.
 */
export async function runMonitor(source: Source, options: MonitorOptions, io: MonitorIo): Promise<number> {
  const first = await source.sample();
  const run = new MonitorRun(source, options, io);
  try {
    return await run.watch(first);
  } finally {
    run.close();
    source.close();
  }
}

class MonitorRun {
  readonly #source: Source;
  readonly #options: MonitorOptions;
  readonly #io: MonitorIo;
  readonly #summary: Summary;
  readonly #history = new ChartHistory();
  readonly #csv: CsvFile | null;
  readonly #terminal: Terminal | null;
  readonly #begunAt: number;
  #sample: Sample | null = null;
  #notice: string | null = null;
  #exceeded: Exceeded | null = null;
  #alerts = new Set<string>();

  constructor(source: Source, options: MonitorOptions, io: MonitorIo) {
    this.#source = source;
    this.#options = options;
    this.#io = io;
    this.#summary = new Summary(options.intervalMs);
    this.#begunAt = io.clock();
    this.#csv = options.csv === null ? null : new CsvFile(options.csv, CSV_HEADER, (message) => this.#warn(message));
    this.#terminal = io.out.isTTY === true && !options.json ? new Terminal(io.out, () => this.#draw()) : null;
  }

  async watch(first: Sample): Promise<number> {
    const { intervalMs, forMs } = this.#options;
    const { stop, clock } = this.#io;
    const endAt = forMs === null ? Number.POSITIVE_INFINITY : this.#begunAt + forMs;
    let ended: string | null = null;
    let sample: Sample = first;
    let due = this.#begunAt;
    while (ended === null) {
      this.#take(sample);
      if (this.#exceeded) break;
      // On a schedule, not "interval after the answer"; what was missed is left out.
      due = Math.max(due + intervalMs, clock() - intervalMs);
      if (due > endAt || stop.aborted) break;
      await this.#io.sleep(Math.max(0, due - clock()), stop);
      if (stop.aborted) break;
      const next = await this.#next();
      if (next === null) break;
      ended = restarted(sample, next);
      if (typeof next === 'string') ended = next;
      else sample = next;
    }
    return this.#finish(ended);
  }

  close(): void {
    this.#terminal?.close();
    this.#csv?.close();
  }

  /** The next sample; words when the server is gone; null when the operator stopped meanwhile. */
  async #next(): Promise<Sample | string | null> {
    const { stop, sleep } = this.#io;
    for (let failures = 1; ; failures++) {
      try {
        const sample = await this.#source.sample();
        this.#notice = null;
        return sample;
      } catch (error) {
        const { message } = DhError.from(error);
        if (stop.aborted) return null;
        if (failures >= PATIENCE) return `The server is gone: ${message}`;
        this.#notice = message;
        this.#draw();
        await sleep(Math.min(RETRY, this.#options.intervalMs), stop);
        if (stop.aborted) return null;
      }
    }
  }

  #take(sample: Sample): void {
    this.#sample = sample;
    this.#summary.add(sample);
    this.#history.add(sample);
    this.#csv?.write(csvRow(sample));
    this.#checkMax(sample);
    if (this.#options.json) this.#io.out.write(`${jsonLine(sample)}\n`);
    else if (this.#terminal) this.#draw();
    else this.#print(sample);
  }

  #print(sample: Sample): void {
    this.#io.out.write(`${plainLine(sample)}\n`);
    const active = new Set(sample.alerts.map(({ id }) => id));
    for (const { id, severity, message, advice } of sample.alerts) {
      if (!this.#alerts.has(id)) this.#io.out.write(`${severity}: ${message} ${advice}\n`);
    }
    this.#alerts = active;
  }

  #draw(): void {
    if (!this.#terminal || !this.#sample) return;
    const view: ScreenView = {
      subject: this.#source.subject,
      sample: this.#sample,
      history: this.#history,
      intervalMs: this.#options.intervalMs,
      watchedMs: this.#io.clock() - this.#begunAt,
      slope: this.#summary.slope,
      notice: this.#notice,
    };
    this.#terminal.draw(renderScreen(view, { ...this.#terminal.size, colours: this.#io.colours }));
  }

  #checkMax({ atMs, rssBytes, processes }: Sample): void {
    const { maxBytes } = this.#options;
    if (maxBytes === null || rssBytes <= maxBytes || this.#exceeded) return;
    const [largest] = [...processes].sort((a, b) => b.rssBytes - a.rssBytes);
    const { name = 'unknown', rssBytes: processBytes = 0 } = largest ?? {};
    this.#exceeded = { atMs, rssBytes, maxBytes, process: name, processBytes };
  }

  #finish(ended: string | null): number {
    const { out, note } = this.#io;
    this.close();
    const summary = this.#summary.json(this.#source.subject, this.#exceeded, ended);
    if (this.#options.json) out.write(`${JSON.stringify(summary)}\n`);
    else out.write(`${summaryLines(summary).join('\n')}\n`);
    if (this.#exceeded) note(exceededText(this.#exceeded, this.#io.clock() - this.#begunAt));
    if (ended !== null) note(ended);
    return this.#exceeded ? EXIT.exceeded : ended === null ? EXIT.done : EXIT.lost;
  }

  #warn(message: string): void {
    // On the live screen a line of its own would tear the picture.
    if (this.#terminal) this.#notice = message;
    else this.#io.note(message);
  }
}

function exceededText({ atMs, rssBytes, maxBytes, process, processBytes }: Exceeded, afterMs: number): string {
  const when = `At ${new Date(atMs).toISOString()}, after ${clockText(afterMs)},`;
  return `${when} ${mb(rssBytes)} MB were in use, more than the ${mb(maxBytes)} MB of --max. The largest process was ${process} with ${mb(processBytes)} MB.`;
}

/** Another server at the same address is not the one that was watched: its memory must not be mixed in. */
function restarted(before: Sample, after: Sample | string): string | null {
  if (typeof after === 'string') return null;
  const [was, is] = [before, after].map(({ processes }) => processes.find(({ name }) => name === 'control')?.pid);
  return was === undefined || is === undefined || was === is
    ? null
    : 'The server was started anew: what was watched is over.';
}
