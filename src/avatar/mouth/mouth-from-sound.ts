import type { MouthPose } from '../../units.js';
import { FIRST_HOP_MS, HOPS, type SoundBlock } from './sound-blocks.js';
import { CONTEXT_HOPS, NET_INPUTS, NET_OUTPUTS, SoundNet, decodeWeights, netInput } from './sound-net.js';
import { SOUND_NET_WEIGHTS } from './sound-net-weights.js';
import { BAND_COUNT } from './spectrum.js';
import type { SpeechLevel } from './speech-level.js';

/** Half the width of the window that smooths the guesses, in ms. */
const SMOOTH_MS = 36;
/** The guess of the lips being pressed counts from here on, and fully from there. */
const PRESS_FROM = 0.14;
const PRESS_FULL = 0.34;

/**
 * Guesses the mouth from the sound alone. The shape of the spectrum against the speaker's own loudness says how far the
 * mouth is open (first formant), how wide or round it is (second formant), whether teeth show (energy above 3.5 kHz),
 * and a fast dip before a voiced onset that the lips are pressed; a small network weighs them.
 */
export class MouthFromSound {
  readonly #net: SoundNet;
  readonly #inputs = new Float32Array(NET_INPUTS);
  readonly #guess = new Float32Array(NET_OUTPUTS);

  constructor(weights: Float32Array = decodeWeights(SOUND_NET_WEIGHTS)) {
    this.#net = new SoundNet(weights);
  }

  /**
   * Writes the mouth at the middle of the frame. `blocks`: the frame before, this frame, and what is known after it
   * (at least two in all).
   */
  pose(blocks: readonly SoundBlock[], count: number, level: SpeechLevel, out: MouthPose): void {
    this.#guess.fill(0);
    let weights = 0;
    let gate = 0;
    const last = count * HOPS - 1;
    for (let hop = 0; hop <= last; hop++) {
      const away = (hop - HOPS) * 10 + FIRST_HOP_MS - 20;
      if (Math.abs(away) >= SMOOTH_MS) continue;
      const weight = 1 + Math.cos((Math.PI * away) / SMOOTH_MS);
      weights += weight;
      const open = weight * level.gate(levelAt(blocks, hop));
      gate += open;
      if (open === 0) continue;
      fillInputs(this.#inputs, blocks, hop, last, level.referenceDb);
      this.#net.run(this.#inputs, open, this.#guess);
    }
    const guess = this.#guess;
    const press = weights > 0 ? smoothstep((guess[4]! / weights - PRESS_FROM) / (PRESS_FULL - PRESS_FROM)) : 0;
    const scale = weights > 0 ? 1 / weights : 0;
    out.open = clamp(guess[0]! * scale, 0, 1) * (1 - press);
    out.width = clamp(guess[1]! * scale, -1, 1);
    out.round = clamp(guess[2]! * scale, 0, 1);
    out.teeth = clamp(guess[3]! * scale + 0.5 * (1 - gate * scale), 0, 1);
    out.tongue = 0;
    out.press = press;
    out.tuck = 0;
  }
}

/** Writes what the network reads for one hop; hops before the first and after the `last` repeat those. */
export function fillInputs(
  inputs: Float32Array,
  blocks: readonly SoundBlock[],
  hop: number,
  last: number,
  referenceDb: number,
): void {
  let at = 0;
  for (let offset = -CONTEXT_HOPS; offset <= CONTEXT_HOPS; offset += CONTEXT_HOPS) {
    const index = Math.min(last, Math.max(0, hop + offset));
    const block = blocks[Math.floor(index / HOPS)]!;
    const from = (index % HOPS) * BAND_COUNT;
    for (let band = 0; band < BAND_COUNT; band++) inputs[at++] = netInput(block.bandsDb[from + band]!, referenceDb);
  }
}

function levelAt(blocks: readonly SoundBlock[], hop: number): number {
  return blocks[Math.floor(hop / HOPS)]!.levelDb[hop % HOPS]!;
}

function smoothstep(value: number): number {
  const x = clamp(value, 0, 1);
  return x * x * (3 - 2 * x);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
