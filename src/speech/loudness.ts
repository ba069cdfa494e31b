import type { LoudnessState } from './voice.js';

/** Where speech is put: mean power of its loud stretches, in dB of full scale. */
const TARGET_DB = -20;
/** The first guess: the embedded voices lie around it. */
const PRIOR_DB = -18;
/** How much the first guess weighs, in windows of 20 ms: half a second. */
const PRIOR_WINDOWS = 25;
const MAX_GAIN = 4;
const MIN_GAIN = 0.25;
/** Samples above this share of full scale are bent, so that none reaches it. */
const KNEE = 0.7;

export function newLoudness(): LoudnessState {
  return { levelDb: PRIOR_DB, windows: PRIOR_WINDOWS };
}

/**
 * Brings a stretch of speech to the common loudness, in place: one gain for the whole stretch, from what was heard of the
 * voice so far, so that neither a quiet clause nor a change of voice jumps. Peaks are bent softly, never cut.
 *
 * @param loudness updated with this stretch
 */
export function level(pcm: Int16Array, sampleRateHz: number, loudness: LoudnessState): void {
  measure(pcm, sampleRateHz, loudness);
  const gain = Math.min(MAX_GAIN, Math.max(MIN_GAIN, 10 ** ((TARGET_DB - loudness.levelDb) / 20)));
  const factor = gain / 32_768;
  for (let i = 0; i < pcm.length; i += 1) pcm[i] = Math.round(limit((pcm[i] ?? 0) * factor) * 32_767);
}

/** −1…1 in, the same out up to the knee, and from there asymptotically towards 1. */
export function limit(value: number): number {
  const size = Math.abs(value);
  if (size <= KNEE) return value;
  return Math.sign(value) * (KNEE + (1 - KNEE) * Math.tanh((size - KNEE) / (1 - KNEE)));
}

function measure(pcm: Int16Array, sampleRateHz: number, loudness: LoudnessState): void {
  const windowSamples = Math.round(sampleRateHz / 50);
  const powers: number[] = [];
  let loudest = 0;
  for (let start = 0; start + windowSamples <= pcm.length; start += windowSamples) {
    let sum = 0;
    for (let i = start; i < start + windowSamples; i += 1) sum += (pcm[i] ?? 0) ** 2;
    const power = sum / windowSamples / 32_768 ** 2;
    powers.push(power);
    loudest = Math.max(loudest, power);
  }
  // Pauses do not make a voice quiet: only what is within 20 dB of the loudest counts.
  const loud = powers.filter((power) => power >= loudest / 100 && power > 1e-6);
  if (loud.length === 0) return;
  const levelDb = 10 * Math.log10(loud.reduce((sum, power) => sum + power, 0) / loud.length);
  loudness.windows += loud.length;
  loudness.levelDb += ((levelDb - loudness.levelDb) * loud.length) / loudness.windows;
}
