/** How long an interrupted sound takes to fade out: 8 ms at 48 kHz, short enough to feel immediate, no click. */
export const FADE_SAMPLES = 384;

export type FadeShape = 'linear' | 'equal-power';

/**
 * Fades out in place: full level before `fromSample`, silence from `fromSample + lengthSamples` to the end.
 * A fade that is longer than the rest is cut off by the end of the array.
 * @throws RangeError when a position is negative.
 */
export function fadeOut(
  samples: Int16Array,
  fromSample = 0,
  lengthSamples = FADE_SAMPLES,
  shape: FadeShape = 'equal-power',
): void {
  checkSpan(fromSample, lengthSamples);
  const end = Math.min(samples.length, fromSample + lengthSamples);
  for (let i = fromSample; i < end; i++) {
    const rest = 1 - (i - fromSample + 0.5) / lengthSamples;
    samples[i] = Math.round(samples[i]! * gain(rest, shape));
  }
  samples.fill(0, end);
}

/** Fades in in place, over `lengthSamples` from `fromSample`; silence before it. @throws RangeError as `fadeOut`. */
export function fadeIn(
  samples: Int16Array,
  fromSample = 0,
  lengthSamples = FADE_SAMPLES,
  shape: FadeShape = 'equal-power',
): void {
  checkSpan(fromSample, lengthSamples);
  samples.fill(0, 0, fromSample);
  const end = Math.min(samples.length, fromSample + lengthSamples);
  for (let i = fromSample; i < end; i++) {
    samples[i] = Math.round(samples[i]! * gain((i - fromSample + 0.5) / lengthSamples, shape));
  }
}

/** Root mean square of the samples from `from` to `to`, 0…1 of full scale; 0 of nothing. */
export function rms(samples: Int16Array, from = 0, to = samples.length): number {
  if (to <= from) return 0;
  let sum = 0;
  for (let i = from; i < to; i++) {
    const value = samples[i]!;
    sum += value * value;
  }
  return Math.sqrt(sum / (to - from)) / 32_768;
}

/** Largest magnitude of the samples from `from` to `to`, 0…1 of full scale. */
export function peak(samples: Int16Array, from = 0, to = samples.length): number {
  let most = 0;
  for (let i = from; i < to; i++) {
    const value = Math.abs(samples[i]!);
    if (value > most) most = value;
  }
  return most / 32_768;
}

function gain(part: number, shape: FadeShape): number {
  return shape === 'linear' ? part : Math.sin((part * Math.PI) / 2);
}

function checkSpan(fromSample: number, lengthSamples: number): void {
  if (fromSample < 0 || lengthSamples < 0) throw new RangeError('a fade starts at 0 or later and has a length');
}
