import { DhError } from '../errors.js';

export const MIN_RATE_HZ = 8_000;
export const MAX_RATE_HZ = 192_000;

/** Checks a sample rate that came from outside. @throws DhError `rate_invalid`. */
export function checkRate(rateHz: number): number {
  if (Number.isInteger(rateHz) && rateHz >= MIN_RATE_HZ && rateHz <= MAX_RATE_HZ) return rateHz;
  throw new DhError('rate_invalid', `sample rate ${String(rateHz)} is not possible`, {
    hint: `Give a whole number of Hz from ${MIN_RATE_HZ} to ${MAX_RATE_HZ}, for example 16000 or 48000.`,
  });
}
