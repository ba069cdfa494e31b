import { FRAME_MS } from '../units.js';
import { between, ease, type Random } from './life-random.js';

const MIN_GAP = 1000;
const MAX_GAP = 8000;
const DOWN = 50;
const SHUT = 30;
const UP = 100;
const DOUBLE = 0.15;

/** Lids: a blink every 1–8 s, short gaps more often than long ones, sometimes two in a row. */
export class Blinks {
  /** 0 open … 1 shut. */
  close = 0;
  readonly #random: Random;
  #now = 0;
  /** When the present or next blink begins, in milliseconds. */
  #start: number;
  #second = false;

  constructor(random: Random) {
    this.#random = random;
    this.#start = this.#gap();
  }

  /** One frame. */
  step(): void {
    this.#now += FRAME_MS;
    const t = this.#now - this.#start;
    if (t >= DOWN + SHUT + UP) {
      this.#second = !this.#second && this.#random() < DOUBLE;
      this.#start += this.#second ? between(this.#random, 240, 320) : this.#gap();
      this.close = 0;
      return;
    }
    this.close = t <= 0 ? 0 : t < DOWN ? ease(t / DOWN) : t < DOWN + SHUT ? 1 : 1 - ease((t - DOWN - SHUT) / UP);
  }

  /** People often blink as they look elsewhere: brings the next blink forward, now and then. */
  maybeWithGaze(): void {
    const wait = this.#start - this.#now;
    const sinceLast = this.#last === null ? Infinity : this.#now - this.#last;
    if (wait > 200 && sinceLast > MIN_GAP && this.#random() < 0.4) this.#start = this.#now;
  }

  /** Start of the blink before the next one. */
  #last: number | null = null;

  #gap(): number {
    this.#last = this.#start ?? null;
    const r = this.#random();
    return MIN_GAP + (MAX_GAP - MIN_GAP) * r * r;
  }
}

/** Where the eyes look: mostly at the viewer, now and then a quick glance elsewhere. */
export class Gaze {
  x = 0;
  y = 0;
  readonly #random: Random;
  #now = 0;
  #nextAt: number;
  #jumpAt = 0;
  #jumpMs = 1;
  #fromX = 0;
  #fromY = 0;
  #toX = 0;
  #toY = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#nextAt = between(random, 2000, 5000);
  }

  /** One frame. Returns whether the eyes begin to move. */
  step(speaking: number): boolean {
    this.#now += FRAME_MS;
    const begins = this.#now >= this.#nextAt && this.#choose(speaking);
    const t = ease((this.#now - this.#jumpAt) / this.#jumpMs);
    this.x = this.#fromX + (this.#toX - this.#fromX) * t;
    this.y = this.#fromY + (this.#toY - this.#fromY) * t;
    return begins;
  }

  #choose(speaking: number): boolean {
    const random = this.#random;
    const away = this.#toX !== 0 || this.#toY !== 0;
    // Who speaks to somebody looks away less.
    const glance = !away && random() < 0.45 - 0.2 * speaking;
    this.#nextAt = this.#now + (glance ? between(random, 800, 1800) : between(random, 2000, 5000));
    if (!away && !glance) return false;
    this.#fromX = this.x;
    this.#fromY = this.y;
    this.#toX = glance ? (random() < 0.5 ? -1 : 1) * between(random, 0.35, 0.7) : 0;
    this.#toY = glance ? between(random, -0.35, 0.25) : 0;
    this.#jumpAt = this.#now - FRAME_MS;
    this.#jumpMs = between(random, 80, 160);
    return true;
  }
}
