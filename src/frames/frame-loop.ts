import { FRAME_MS, FRAME_RATE, type Clock, type Closable } from '../units.js';
import { RateMeter } from './rate-meter.js';
import { TimingRing, type TimingSummary } from '../timing-ring.js';

/** Timers as Node has them; passed in so that tests move the time. */
export interface Timers {
  set(callback: () => void, delayMs: number): unknown;
  clear(handle: unknown): void;
}

export interface FrameLoopOptions {
  /**
   * Called for every n from 0 up, in order, never while the promise of the call before is pending. `draw` false: too
   * late for a picture, but the sound of this n is still due. A tick that returns false has made no picture.
   */
  onTick(n: number, draw: boolean): void | boolean | Promise<void>;
  /** The process stood still for longer than `maxStallMs`; the schedule was moved by `stalledMs`, no n is left out. */
  onStall?(stalledMs: number): void;
  /** A tick threw; the loop goes on. */
  onError?(error: unknown): void;
  clock?: Clock;
  timers?: Timers;
  /** Behind by more than this, the schedule moves instead of catching up; 2000 unless told. */
  maxStallMs?: number;
}

/** What the loop has measured. */
export interface FrameLoopStats {
  /** Pictures a second, over the last 10 s, or since `restartRate` when that is less ago. */
  fps: number;
  /** From the begin of a tick with a picture to its end, over the last 1000. */
  processingMs: TimingSummary;
  /** How long after its due time a tick began. */
  latenessMs: TimingSummary;
  ticks: number;
  /** Ticks without a picture. */
  skipped: number;
  stalls: number;
  errors: number;
}

/** A timer may be this early: Node's timers are whole milliseconds, and waiting out the rest would burn CPU. */
const EARLY_MS = 1;

const systemClock: Clock = () => performance.now();
const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (handle) => {
    clearTimeout(handle as NodeJS.Timeout);
  },
};

/**
 * Calls `onTick` for frame n at origin + n × 40 ms, for every n. When more than a period behind it catches up with
 * ticks that draw nothing, so pictures are lost and sound is not.
 */
export class FrameLoop implements Closable {
  readonly #options: FrameLoopOptions;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #maxStallMs: number;
  readonly #processing = new TimingRing();
  readonly #lateness = new TimingRing();
  readonly #drawn: RateMeter;
  #originMs = 0;
  #next = 0;
  #timer: unknown;
  #state: 'new' | 'waiting' | 'ticking' | 'closed' = 'new';
  #skipped = 0;
  #stalls = 0;
  #errors = 0;

  constructor(options: FrameLoopOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = options.timers ?? systemTimers;
    this.#maxStallMs = options.maxStallMs ?? 2000;
    this.#drawn = new RateMeter(FRAME_RATE, this.#clock);
  }

  /** When frame n is (or was) due, on the loop's clock; moves when the loop stalls. */
  dueMs(n: number): number {
    return this.#originMs + n * FRAME_MS;
  }

  /** Begins with frame 0, due now: returns when that is, on the loop's clock. Throws RangeError when called again. */
  start(): number {
    if (this.#state !== 'new') throw new RangeError('a frame loop starts once');
    this.#originMs = this.#clock();
    this.#drawn.start();
    this.#wait(0);
    return this.#originMs;
  }

  /** The rate of pictures is counted from now on: before, none were wanted. */
  restartRate(): void {
    this.#drawn.start();
  }

  stats(): FrameLoopStats {
    return {
      fps: this.#drawn.perSecond(FRAME_MS),
      processingMs: this.#processing.summary(),
      latenessMs: this.#lateness.summary(),
      ticks: this.#next,
      skipped: this.#skipped,
      stalls: this.#stalls,
      errors: this.#errors,
    };
  }

  /** No tick begins after this; one whose promise is pending ends by itself. */
  close(): void {
    if (this.#state === 'waiting') this.#timers.clear(this.#timer);
    this.#state = 'closed';
  }

  #wait(delayMs: number): void {
    this.#state = 'waiting';
    this.#timer = this.#timers.set(() => {
      this.#run();
    }, delayMs);
  }

  /** Runs what is due, then arms the timer. Skipped ticks follow each other; after a picture the event loop has a turn. */
  #run(): void {
    while (this.#state === 'waiting') {
      const late = this.#clock() - this.dueMs(this.#next);
      if (late < -EARLY_MS) {
        this.#wait(Math.floor(-late));
        return;
      }
      if (late > this.#maxStallMs) {
        this.#rebase(late);
        continue;
      }
      const draw = late <= FRAME_MS;
      if (this.#tick(draw, late)) return;
      if (draw) {
        this.#waitForNext();
        return;
      }
    }
  }

  #waitForNext(): void {
    if (this.#state !== 'waiting') return; // closed from inside the tick
    this.#wait(Math.max(0, Math.floor(this.dueMs(this.#next) - this.#clock())));
  }

  #rebase(late: number): void {
    this.#originMs += late;
    this.#stalls += 1;
    this.#options.onStall?.(late);
  }

  /** Whether it goes on later, because the tick is asynchronous. */
  #tick(draw: boolean, late: number): boolean {
    const n = this.#next++;
    const begin = this.#clock();
    this.#lateness.add(Math.max(0, late));
    if (!draw) this.#skipped += 1;
    this.#state = 'ticking';
    let result: void | boolean | Promise<void> = undefined;
    try {
      result = this.#options.onTick(n, draw);
    } catch (error) {
      this.#fail(error);
    }
    if (result instanceof Promise) {
      void this.#goOnAfter(result, draw, begin);
      return true;
    }
    this.#ended(draw && result !== false, begin);
    return false;
  }

  async #goOnAfter(result: Promise<void>, draw: boolean, begin: number): Promise<void> {
    try {
      await result;
    } catch (error) {
      this.#fail(error);
    }
    this.#ended(draw, begin);
    this.#waitForNext();
  }

  #ended(drawn: boolean, begin: number): void {
    if (drawn) {
      this.#processing.add(this.#clock() - begin);
      this.#drawn.mark();
    }
    if (this.#state === 'ticking') this.#state = 'waiting';
  }

  #fail(error: unknown): void {
    this.#errors += 1;
    this.#options.onError?.(error);
  }
}
