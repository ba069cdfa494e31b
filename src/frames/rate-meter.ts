import type { Clock } from '../units.js';
import { TimingRing } from '../timing-ring.js';

const WINDOW_MS = 10_000;

/** How often something happens a second, over the last ten seconds, or since the start when that is less ago. */
export class RateMeter {
  readonly #clock: Clock;
  readonly #times: TimingRing;
  #sinceMs: number;

  /** Counts at most `perSecond` a second. */
  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#times = new TimingRing(2 * perSecond * (WINDOW_MS / 1000));
    this.#sinceMs = clock();
  }

  /** Counting begins now; what was before does not count any more. */
  start(): void {
    this.#sinceMs = this.#clock();
  }

  mark(): void {
    this.#times.add(this.#clock());
  }

  /** Times a second. The window is at least `leastMs` long. */
  perSecond(leastMs: number): number {
    const now = this.#clock();
    const window = Math.max(leastMs, Math.min(WINDOW_MS, now - this.#sinceMs));
    return (this.#times.countAbove(now - window) * 1000) / window;
  }
}
