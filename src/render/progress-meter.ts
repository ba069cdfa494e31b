import type { Clock } from '../units.js';
import type { RenderPhase, RenderProgress } from './render-events.js';

/** Least time between two reports, in ms. */
const REPORT_MS = 500;

/** Work of each phase, in seconds of one core on the machine that it was measured on; only their relation counts. */
export interface Workload {
  check: number;
  prepare: number;
  write: number;
  full: number;
}

export interface ProgressMeterOptions {
  clock: Clock;
  rssBytes: () => number;
  onProgress: (progress: RenderProgress) => void;
}

/** Counts what is done of a render, and says from it how long the rest takes. */
export class ProgressMeter {
  readonly #options: ProgressMeterOptions;
  readonly #total: Workload = { check: 0, prepare: 0, write: 0, full: 0 };
  readonly #done: Workload = { check: 0, prepare: 0, write: 0, full: 0 };
  readonly #begin: number;
  #phase: RenderPhase = 'check';
  #phaseBegin: number;
  #told = Number.NEGATIVE_INFINITY;
  clips = 0;
  clipsDone = 0;
  parts = 0;
  partsDone = 0;
  #writtenS = 0;
  peakRssBytes = 0;

  constructor(options: ProgressMeterOptions) {
    this.#options = options;
    this.#begin = this.#phaseBegin = options.clock();
  }

  get tookS(): number {
    return (this.#options.clock() - this.#begin) / 1000;
  }

  /** Says how much there is to do; may be corrected later. */
  expect(work: Partial<Workload>): void {
    Object.assign(this.#total, work);
  }

  enter(phase: RenderPhase): void {
    this.#phase = phase;
    this.#phaseBegin = this.#options.clock();
    this.#writtenS = 0;
    this.tell(true);
  }

  /** Counts work of the present phase. */
  add(work: number): void {
    this.#done[this.#phase] += work;
    this.tell();
  }

  /** Counts seconds of video that were written. */
  wrote(seconds: number): void {
    this.#writtenS += seconds;
  }

  /** Reports, at most twice a second unless `now`. */
  tell(now = false): void {
    const at = this.#options.clock();
    if (!now && at - this.#told < REPORT_MS) return;
    this.#told = at;
    const rssBytes = this.#options.rssBytes();
    this.peakRssBytes = Math.max(this.peakRssBytes, rssBytes);
    const total = sum(this.#total);
    const done = Math.min(sum(this.#done), total);
    const share = total === 0 ? 0 : done / total;
    const spentS = (at - this.#begin) / 1000;
    this.#options.onProgress({
      phase: this.#phase,
      clipsDone: this.clipsDone,
      clips: this.clips,
      partsDone: this.partsDone,
      parts: this.parts,
      share,
      leftS: share > 0.01 && spentS > 2 ? (spentS * (1 - share)) / share : null,
      speed: at > this.#phaseBegin ? this.#writtenS / ((at - this.#phaseBegin) / 1000) : 0,
      rssBytes,
    });
  }
}

function sum({ check, prepare, write, full }: Workload): number {
  return check + prepare + write + full;
}
