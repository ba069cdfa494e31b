import { CHUNK_SAMPLES, SAMPLE_RATE, type AudioChunk } from '../../units.js';
import { ANALYSIS_RATE_HZ, BAND_COUNT, SILENT_DB, Spectrum, WINDOW_SAMPLES } from './spectrum.js';

/** Measurements per chunk, 10 ms apart. */
export const HOPS = 4;
/** Middle of a block's first measurement, in ms from the start of its chunk: each window ends with its hop. */
export const FIRST_HOP_MS = 10 - (WINDOW_SAMPLES / ANALYSIS_RATE_HZ) * 500;

/** What was measured in one chunk. Owned by `SoundBlocks`, valid until some chunks later. */
export interface SoundBlock {
  /** `HOPS` × `BAND_COUNT` band energies in dB of full scale. */
  readonly bandsDb: Float32Array;
  /** Loudness of each hop in dB of full scale. */
  readonly levelDb: Float32Array;
}

interface Slot extends SoundBlock {
  utteranceId: string | null;
  startSample: number;
}

const DECIMATION = SAMPLE_RATE / ANALYSIS_RATE_HZ;
const CHUNK_OUT = CHUNK_SAMPLES / DECIMATION;
const HOP_OUT = CHUNK_OUT / HOPS;
const TAPS = 33;
/** More than one frame and its look-ahead can hold. */
const SLOTS = 8;

/**
 * Measures each chunk once, however often the look-ahead shows it. Chunks must come in the order in which they will be
 * heard; a window reaches back into the chunk before.
 */
export class SoundBlocks {
  /** What silence measures. */
  readonly silent: SoundBlock = emptySlot();
  readonly #spectrum = new Spectrum();
  readonly #slots = Array.from({ length: SLOTS }, emptySlot);
  #nextSlot = 0;
  readonly #taps = lowPass();
  readonly #input = new Float32Array(TAPS - 1 + CHUNK_SAMPLES);
  readonly #sound = new Float32Array(WINDOW_SAMPLES + CHUNK_OUT);

  /**
   * The measurements of a chunk. `onNew` is called for a chunk that was not seen before, after it was measured;
   * `afterSilence`: nothing is heard before this chunk, so no window may reach back.
   */
  measure(chunk: AudioChunk, afterSilence: boolean, onNew: (block: SoundBlock) => void): SoundBlock {
    for (const slot of this.#slots) {
      if (slot.startSample === chunk.startSample && slot.utteranceId === chunk.utteranceId) return slot;
    }
    const slot = this.#slots[this.#nextSlot]!;
    this.#nextSlot = (this.#nextSlot + 1) % SLOTS;
    slot.utteranceId = chunk.utteranceId;
    slot.startSample = chunk.startSample;
    if (afterSilence) {
      this.#input.fill(0);
      this.#sound.fill(0);
    }
    this.#decimate(chunk.samples);
    for (let hop = 0; hop < HOPS; hop++) {
      slot.levelDb[hop] = this.#spectrum.measure(this.#sound, (hop + 1) * HOP_OUT, slot.bandsDb, hop * BAND_COUNT);
    }
    onNew(slot);
    return slot;
  }

  /** Forgets all chunks. */
  reset(): void {
    for (const slot of this.#slots) slot.utteranceId = null;
    this.#input.fill(0);
    this.#sound.fill(0);
  }

  #decimate(samples: Int16Array): void {
    const input = this.#input;
    const sound = this.#sound;
    const taps = this.#taps;
    input.copyWithin(0, CHUNK_SAMPLES);
    const count = Math.min(samples.length, CHUNK_SAMPLES);
    for (let i = 0; i < count; i++) input[TAPS - 1 + i] = samples[i]! / 32768;
    input.fill(0, TAPS - 1 + count);
    sound.copyWithin(0, CHUNK_OUT);
    for (let i = 0; i < CHUNK_OUT; i++) {
      let sum = 0;
      for (let k = 0; k < TAPS; k++) sum += taps[k]! * input[i * DECIMATION + k]!;
      sound[WINDOW_SAMPLES + i] = sum;
    }
  }
}

function emptySlot(): Slot {
  return {
    bandsDb: new Float32Array(HOPS * BAND_COUNT).fill(SILENT_DB),
    levelDb: new Float32Array(HOPS).fill(SILENT_DB),
    utteranceId: null,
    startSample: -1,
  };
}

/** Windowed sinc, −6 dB at 7.4 kHz: what folds back stays in the topmost band. */
function lowPass(): Float32Array {
  const taps = new Float32Array(TAPS);
  const cutoff = 7400 / SAMPLE_RATE;
  let sum = 0;
  for (let i = 0; i < TAPS; i++) {
    const x = i - (TAPS - 1) / 2;
    const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
    taps[i] = sinc * (0.54 + 0.46 * Math.cos((2 * Math.PI * x) / (TAPS - 1)));
    sum += taps[i]!;
  }
  for (let i = 0; i < TAPS; i++) taps[i] = taps[i]! / sum;
  return taps;
}
