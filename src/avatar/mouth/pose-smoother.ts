import { neutralMouth, type MouthPose } from '../../units.js';

/** Largest change in one frame of 40 ms, up and down: opens in 40–60 ms, closes in 80–120 ms, lips snap shut. */
const STEPS: Readonly<Record<keyof MouthPose, readonly [up: number, down: number]>> = {
  open: [0.75, 0.42],
  width: [0.6, 0.6],
  round: [0.6, 0.6],
  teeth: [0.6, 0.6],
  tongue: [0.7, 0.7],
  press: [1, 0.7],
  tuck: [1, 0.7],
};
const CHANNELS = Object.keys(STEPS) as (keyof MouthPose)[];
/** What is left of the mouth in the frames after an interrupt. */
const RELEASE = [0.5, 0.12, 0] as const;
/** Smaller than anything that could be seen: ends a movement, so that a resting mouth is still. */
const STILL = 1e-3;

/**
 * The last stage before the picture: nothing moves faster than flesh does. Targets are already meant for the middle of
 * the frame, so a movement within the limits passes unchanged and without delay.
 */
export class PoseSmoother {
  readonly #pose = neutralMouth();
  readonly #from = neutralMouth();
  #release: number = RELEASE.length;

  /** Moves towards `target` and writes the mouth of this frame to `out`. */
  step(target: Readonly<MouthPose>, out: MouthPose): void {
    const pose = this.#pose;
    const left = RELEASE[this.#release];
    if (left !== undefined) this.#release += 1;
    for (const channel of CHANNELS) {
      const value = Number.isFinite(target[channel]) ? target[channel] : pose[channel];
      if (left === undefined) {
        const [up, down] = STEPS[channel];
        // Pressed lips are shut: an opening does not linger behind them.
        const fall = channel === 'open' ? Math.max(down, target.press) : down;
        const change = value - pose[channel];
        pose[channel] = Math.abs(change) < STILL ? value : pose[channel] + Math.min(up, Math.max(-fall, change));
      } else {
        pose[channel] = value + (this.#from[channel] - value) * left;
      }
      out[channel] = pose[channel];
    }
  }

  /** After an interrupt: the mouth goes from where it is to its target within three frames, eased. */
  release(): void {
    Object.assign(this.#from, this.#pose);
    this.#release = 0;
  }
}
