import { FRAME_MS, FRAME_RATE, type FacePose } from '../units.js';
import { Emphasis } from './life-emphasis.js';
import { Blinks, Gaze } from './life-eyes.js';
import { type Random, seededRandom } from './life-random.js';

export interface LifeOptions {
  /** Numbers in [0, 1); every decision comes from it. */
  random?: Random;
  /** Seed of a generator of its own, when `random` is not given. */
  seed?: number;
  /** Scale of all head movement; 1 is calm and awake, 0 holds the head still. */
  movement?: number;
}

/** One slow wave of the head's drift: period in seconds, height. */
type Wave = readonly [periodS: number, height: number];

// Periods without a common measure, so the sum does not repeat for hours.
const DRIFT = {
  x: [[13.1, 0.0075], [6.7, 0.004], [3.7, 0.0016]],
  y: [[11.3, 0.004], [5.9, 0.0028], [3.1, 0.0012]],
  turn: [[14.9, 0.55], [7.3, 0.35], [4.1, 0.14]],
} as const satisfies Record<string, readonly Wave[]>; // prettier-ignore
/** Quicker waves that come with speech. */
const TALK = {
  x: [[2.3, 0.005], [1.37, 0.0022]],
  y: [[1.9, 0.0036], [1.13, 0.0018]],
  turn: [[2.7, 0.5], [1.61, 0.25]],
} as const satisfies Record<string, readonly Wave[]>; // prettier-ignore
/** The head goes a little where the eyes look. */
const FOLLOW = { x: 0.006, y: 0.003, turn: 0.35 };
/** Breaths are slower than at work and not all alike. */
const BREATH_S = 3.4;
const BREATH_VARIATION = 0.12;
/** A jump over more frames than this is not lived through. */
const MAX_STEPS = 10 * FRAME_RATE;

/**
 * What a face does when nobody tells it to: blinks, looks, breathes, moves its head, more so while it speaks. One step
 * a frame; the same random numbers, frames and sound give the same movements. Allocates nothing per frame.
 */
export class Life {
  readonly #random: Random;
  readonly #movement: number;
  readonly #blinks: Blinks;
  readonly #gaze: Gaze;
  readonly #emphasis: Emphasis;
  readonly #phases: Float64Array;
  #frame: number | null = null;
  #time = 0;
  #speaking = 0;
  #energy = 0;
  #breathPhase: number;
  #followX = 0;
  #followY = 0;

  constructor(options: LifeOptions = {}) {
    this.#random = options.random ?? seededRandom(options.seed ?? 1);
    this.#movement = options.movement ?? 1;
    this.#blinks = new Blinks(this.#random);
    this.#gaze = new Gaze(this.#random);
    this.#emphasis = new Emphasis(this.#random);
    this.#phases = Float64Array.from({ length: 24 }, () => this.#random() * 2 * Math.PI);
    this.#breathPhase = this.#random();
  }

  /**
   * Writes eyes, brows, head and breath of a frame; the mouth is left alone. `speaking` 0…1 is how much the avatar is
   * speaking, `energy` 0…1 how loud it is at this moment. Frames that were left out are lived through; an earlier
   * frame gives the present state again.
   */
  update(frame: number, speaking: number, energy: number, pose: FacePose): void {
    const steps = this.#frame === null ? 1 : Math.min(MAX_STEPS, frame - this.#frame);
    for (let i = 0; i < steps; i++) this.#step(unit(speaking), unit(energy));
    if (steps > 0) this.#frame = frame;
    this.#write(pose);
  }

  #step(speaking: number, energy: number): void {
    this.#time += FRAME_MS / 1000;
    this.#speaking += (speaking - this.#speaking) * 0.06;
    this.#energy += (energy * speaking - this.#energy) * 0.08;
    this.#emphasis.step(speaking, energy);
    if (this.#gaze.step(this.#speaking)) this.#blinks.maybeWithGaze();
    this.#blinks.step();
    // Two low-passes: the head starts after the eyes and arrives later.
    this.#followX += (this.#gaze.x - this.#followX) * 0.07;
    this.#followY += (this.#gaze.y - this.#followY) * 0.07;
    const slow = Math.sin((2 * Math.PI * this.#time) / 23.7 + (this.#phases[20] as number));
    this.#breathPhase += FRAME_MS / 1000 / (BREATH_S * (1 + BREATH_VARIATION * slow));
    this.#breathPhase -= Math.floor(this.#breathPhase);
  }

  #write(pose: FacePose): void {
    const { x, y } = this.#gaze;
    pose.eyes.x = x;
    pose.eyes.y = y;
    pose.eyes.close = this.#blinks.close;
    pose.brows.raise = this.#emphasis.raise;
    pose.brows.frown = this.#emphasis.frown;
    const calm = this.#movement * (1 + 0.5 * this.#speaking);
    const talk = this.#movement * this.#speaking * (0.55 + 0.9 * this.#energy);
    pose.head.x =
      calm * this.#waves(DRIFT.x, 0) + talk * this.#waves(TALK.x, 3) + this.#movement * FOLLOW.x * this.#followX;
    pose.head.y =
      calm * this.#waves(DRIFT.y, 6) +
      talk * this.#waves(TALK.y, 9) +
      this.#movement * (FOLLOW.y * this.#followY + this.#emphasis.nod);
    pose.head.turn =
      calm * this.#waves(DRIFT.turn, 12) +
      talk * this.#waves(TALK.turn, 15) +
      this.#movement * FOLLOW.turn * this.#followX;
    pose.breath = breathAt(this.#breathPhase);
  }

  #waves(waves: readonly Wave[], phase: number): number {
    let sum = 0;
    for (let i = 0; i < waves.length; i++) {
      const wave = waves[i] as Wave;
      sum += wave[1] * Math.sin((2 * Math.PI * this.#time) / wave[0] + (this.#phases[phase + i] as number));
    }
    return sum;
  }
}

/** In takes two fifths of a breath, out three; both eased. */
function breathAt(phase: number): number {
  const t = phase < 0.4 ? phase / 0.4 : 1 - (phase - 0.4) / 0.6;
  return 0.5 - 0.5 * Math.cos(Math.PI * t);
}

function unit(value: number): number {
  return value > 0 ? Math.min(1, value) : 0;
}
