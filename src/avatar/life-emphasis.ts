import { FRAME_MS } from '../units.js';
import { between, type Random } from './life-random.js';

/** Below this a movement is over. */
const STILL = 0.004;

/** What goes with stressed words: small nods, raised brows, seldom a frown. */
export class Emphasis {
  /** Shift of the head in its widths, downward. */
  nod = 0;
  raise = 0;
  frown = 0;
  readonly #random: Random;
  #fast = 0;
  #slow = 0;
  #restMs = 0;
  #nodMs = 0;
  #nodSize = 0;
  #nodLag = 0;
  #browMs = 0;
  #browSize = 0;
  #browLag = 0;
  #frownMs = 0;
  #frownLag = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One frame. */
  step(speaking: number, energy: number): void {
    this.#fast += (energy * speaking - this.#fast) * 0.45;
    this.#slow += (energy * speaking - this.#slow) * 0.04;
    this.#restMs -= FRAME_MS;
    if (speaking > 0.5 && this.#restMs <= 0 && this.#fast - this.#slow > 0.16) this.#stress();

    // Two low-passes each, so a movement starts and ends at rest.
    this.#nodMs -= FRAME_MS;
    this.#nodLag += ((this.#nodMs > 0 ? this.#nodSize : 0) - this.#nodLag) * 0.3;
    this.nod += (this.#nodLag - this.nod) * 0.3;
    this.#browMs -= FRAME_MS;
    this.#browLag += ((this.#browMs > 0 ? this.#browSize : 0) - this.#browLag) * 0.32;
    this.raise = settle(this.raise + (this.#browLag - this.raise) * 0.32, this.#browMs > 0);
    this.#frownMs -= FRAME_MS;
    this.#frownLag += ((this.#frownMs > 0 ? 0.4 : 0) - this.#frownLag) * 0.2;
    this.frown = settle(this.frown + (this.#frownLag - this.frown) * 0.2, this.#frownMs > 0);
  }

  #stress(): void {
    const random = this.#random;
    const size = Math.min(1, (this.#fast - this.#slow) / 0.45);
    this.#restMs = between(random, 700, 2600);
    if (random() < 0.7) {
      this.#nodMs = between(random, 120, 200);
      this.#nodSize = between(random, 0.008, 0.016) * (0.5 + 0.5 * size);
    }
    const choice = random();
    if (choice < 0.4) {
      this.#browMs = between(random, 200, 520);
      this.#browSize = between(random, 0.3, 0.75) * (0.6 + 0.4 * size);
    } else if (choice < 0.5) {
      this.#frownMs = between(random, 300, 700);
    }
  }
}

/** An idle face is drawn from its neutral patch alone once the rest of a movement is too small to see. */
function settle(value: number, active: boolean): number {
  return !active && value < STILL ? 0 : value;
}
