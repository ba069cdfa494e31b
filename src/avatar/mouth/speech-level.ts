import { HOPS, type SoundBlock } from './sound-blocks.js';

/** Quieter than this (dB of full scale) is digital silence, which says nothing about a room's noise. */
const DIGITAL_SILENCE_DB = -95;
/** Nothing below this moves the mouth. */
const INAUDIBLE_DB = -88;
/** A sound that begins louder than this is taken for a voice before a pause has shown the room's noise. */
const SURELY_VOICE_DB = -42;
/** The noise is the quietest moment of the last 1.6 s, kept in 8 parts. */
const PARTS = 8;
const PART_HOPS = 20;
/** A voice stands out from the noise by this much. */
const STANDS_OUT_DB = 7;
/** A voice's strong moments stand out by more: what stays below the first is noise that wavers, above the second surely not. */
const VOICE_FROM_DB = 13;
const VOICE_SURE_DB = 19;
/** The gate opens fully this much above its threshold. */
const GATE_DB = 6;
/** The mouth closes this far below the loudest of the voice. */
const RANGE_DB = 38;
/** Per hop of 10 ms: how fast the reference follows a louder voice, and forgets (dB). */
const ATTACK = 0.25;
const RELEASE_DB = 0.03;

/**
 * Automatic gain: how loud this speaker is, and how loud the room. The reference rises within some hops to the loudest
 * of the voice and falls by 3 dB a second while the voice lasts; it does not move in noise or silence.
 */
export class SpeechLevel {
  /** Loudness of the voice's strong moments, dB of full scale; `null` before any voice. */
  #reference: number | null = null;
  #smooth = Number.NaN;
  readonly #minima = new Float32Array(PARTS).fill(Number.POSITIVE_INFINITY);
  #part = 0;
  #inPart = 0;
  #noise = Number.POSITIVE_INFINITY;

  get referenceDb(): number {
    return this.#reference ?? -20;
  }

  /** Takes in the next 40 ms, in the order of hearing. */
  update(block: SoundBlock): void {
    for (let hop = 0; hop < HOPS; hop++) this.#hop(block.levelDb[hop]!);
  }

  #hop(levelDb: number): void {
    if (levelDb < DIGITAL_SILENCE_DB) {
      this.#smooth = Number.NaN;
      return;
    }
    this.#smooth = Number.isNaN(this.#smooth) ? levelDb : this.#smooth + 0.25 * (levelDb - this.#smooth);
    if (this.#noise === Number.POSITIVE_INFINITY && levelDb > SURELY_VOICE_DB) this.#minima[PARTS - 1] = INAUDIBLE_DB;
    this.#minima[this.#part] = Math.min(this.#minima[this.#part]!, this.#smooth);
    this.#inPart += 1;
    this.#noise = Number.POSITIVE_INFINITY;
    for (let i = 0; i < PARTS; i++) this.#noise = Math.min(this.#noise, this.#minima[i]!);
    if (this.#inPart === PART_HOPS) {
      this.#inPart = 0;
      this.#part = (this.#part + 1) % PARTS;
      this.#minima[this.#part] = Number.POSITIVE_INFINITY;
    }
    if (levelDb < this.#threshold() + GATE_DB) return;
    if (this.#reference === null) this.#reference = levelDb;
    else if (levelDb > this.#reference) this.#reference += ATTACK * (levelDb - this.#reference);
    else this.#reference -= RELEASE_DB;
  }

  #threshold(): number {
    return Math.max(INAUDIBLE_DB, Math.min(this.#noise, 0) + STANDS_OUT_DB);
  }

  /** 0: noise or silence; 1: surely a voice. */
  gate(levelDb: number): number {
    if (this.#reference === null) return 0;
    const above = levelDb - Math.max(this.#threshold(), this.#reference - RANGE_DB);
    const voice = this.#reference - Math.max(this.#noise, INAUDIBLE_DB) - VOICE_FROM_DB;
    return smoothstep(above / GATE_DB) * smoothstep(voice / (VOICE_SURE_DB - VOICE_FROM_DB));
  }

  /** Loudness 0…1 against the voice's own range of 30 dB. */
  loudness(levelDb: number): number {
    return this.gate(levelDb) * Math.min(1, Math.max(0, (levelDb - this.referenceDb + 30) / 30));
  }
}

function smoothstep(value: number): number {
  const x = Math.min(1, Math.max(0, value));
  return x * x * (3 - 2 * x);
}
