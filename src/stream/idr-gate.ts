import type { Clock } from '../units.js';

/** Shortest time between two keyframes. */
export const IDR_WINDOW_MS = 500;

/**
 * Merges the wishes of all viewers for a keyframe: at most one a window, and none is lost. A wish within the window is
 * served at its end, by `poll`, which is called with every picture: without pictures nobody needs a keyframe.
 */
export class IdrGate {
  readonly #requestIdr: () => void;
  readonly #clock: Clock;
  readonly #windowMs: number;
  #lastMs = -Infinity;
  #pending = false;
  #served = 0;

  constructor(requestIdr: () => void, clock: Clock, windowMs = IDR_WINDOW_MS) {
    this.#requestIdr = requestIdr;
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  /** Keyframes that were asked of the encoder. */
  get served(): number {
    return this.#served;
  }

  /** A keyframe is being sent, whoever wanted it: wishes that wait are served by it, later ones have to wait. */
  made(): void {
    this.#pending = false;
    this.#lastMs = this.#clock();
  }

  request(): void {
    this.#pending = true;
    this.poll();
  }

  /** Serves a wish that waits, if the window is over. */
  poll(): void {
    if (!this.#pending) return;
    const now = this.#clock();
    if (now - this.#lastMs < this.#windowMs) return;
    this.#pending = false;
    this.#lastMs = now;
    this.#served += 1;
    this.#requestIdr();
  }
}
