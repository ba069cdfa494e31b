import type { I420Frame } from '../units.js';

/** What the avatar is doing: `idle`, `speaking`, or the name of an action clip. */
export type StateName = string;

/** Where the picture is between two states; one object, reused for every frame. */
export interface StateMix {
  from: StateName;
  to: StateName;
  /** Share of `to`: 0 … 256, eased; 256 when nothing changes. */
  weight256: number;
}

/**
 * Changes of state as a weight that is eased over a few frames. Going back during a change turns it round from where
 * it is; a third state waits until the change is over, so no more than two pictures are ever mixed.
 */
export class States {
  readonly #fadeFrames: number;
  readonly #mix: StateMix;
  #wanted: StateName;
  /** Frames of the change that are done, 0 … fadeFrames. */
  #progress: number;

  /** A change takes `fadeFrames` frames, 2 to 4. Throws RangeError otherwise. */
  constructor({ initial = 'idle', fadeFrames = 3 }: { initial?: StateName; fadeFrames?: number } = {}) {
    if (!Number.isInteger(fadeFrames) || fadeFrames < 2 || fadeFrames > 4) {
      throw new RangeError(`a change takes 2 to 4 frames, not ${fadeFrames}`);
    }
    this.#fadeFrames = fadeFrames;
    this.#progress = fadeFrames;
    this.#wanted = initial;
    this.#mix = { from: initial, to: initial, weight256: 256 };
  }

  /** The state that is wanted from the next frame on. */
  request(state: StateName): void {
    this.#wanted = state;
  }

  /** The state that was asked for last. */
  get wanted(): StateName {
    return this.#wanted;
  }

  /** Moves on by one frame. The returned object changes with the next call. */
  step(): Readonly<StateMix> {
    const mix = this.#mix;
    const settled = this.#progress === this.#fadeFrames;
    if (settled && this.#wanted !== mix.to) {
      mix.from = mix.to;
      mix.to = this.#wanted;
      this.#progress = 0;
    } else if (!settled && this.#wanted === mix.from) {
      mix.from = mix.to;
      mix.to = this.#wanted;
      this.#progress = this.#fadeFrames - this.#progress;
    }
    if (this.#progress < this.#fadeFrames) this.#progress += 1;
    mix.weight256 = eased256(this.#progress / this.#fadeFrames);
    if (mix.weight256 === 256) mix.from = mix.to;
    return mix;
  }
}

/** Idle ↔ speaking as one number, for what is drawn by pose and needs no second picture. */
export class SpeechState {
  readonly #states: States;

  constructor({ fadeFrames = 3 }: { fadeFrames?: number } = {}) {
    this.#states = new States({ fadeFrames });
  }

  /** Moves on by one frame. Returns how much the avatar is speaking: 0 idle … 1 speaking, eased. */
  update(speaking: boolean): number {
    this.#states.request(speaking ? 'speaking' : 'idle');
    const { to, weight256 } = this.#states.step();
    return (to === 'speaking' ? weight256 : 256 - weight256) / 256;
  }
}

/** Smoothstep of 0 … 1 as an integer 0 … 256. */
export function eased256(progress: number): number {
  return Math.round(256 * progress * progress * (3 - 2 * progress));
}

/**
 * `out` = `a` at weight 0 … `b` at weight 256, rounded. All three have the same size; `out` may be one of the others.
 * Throws RangeError for different sizes or a weight outside.
 */
export function crossFade(a: I420Frame, b: I420Frame, weight256: number, out: I420Frame): void {
  if (a.width !== b.width || a.height !== b.height || a.width !== out.width || a.height !== out.height) {
    throw new RangeError('pictures of different sizes cannot be mixed');
  }
  if (!(weight256 >= 0 && weight256 <= 256)) throw new RangeError(`weight ${weight256} is not in 0…256`);
  const weight = Math.round(weight256);
  const [width, height] = [a.width, a.height];
  fadePlane(a.y, a.strideY, b.y, b.strideY, out.y, out.strideY, width, height, weight);
  fadePlane(a.u, a.strideUV, b.u, b.strideUV, out.u, out.strideUV, width >> 1, height >> 1, weight);
  fadePlane(a.v, a.strideUV, b.v, b.strideUV, out.v, out.strideUV, width >> 1, height >> 1, weight);
}

function fadePlane(
  a: Uint8Array,
  strideA: number,
  b: Uint8Array,
  strideB: number,
  out: Uint8Array,
  strideOut: number,
  width: number,
  height: number,
  weight: number,
): void {
  for (let row = 0; row < height; row++) {
    let p = row * strideA;
    let q = row * strideB;
    const begin = row * strideOut;
    for (let o = begin; o < begin + width; o++, p++, q++) {
      const from = a[p] as number;
      out[o] = from + ((((b[q] as number) - from) * weight + 128) >> 8);
    }
  }
}
