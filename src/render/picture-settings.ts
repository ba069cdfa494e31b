import type { FrameRate } from './frame-grid.js';

/** What `parseSize` takes, in words. */
export const SIZE_RULE = 'Even numbers from 64 to 3840, as in 1280x720';
/** What `parseRate` takes, in words. */
export const RATE_RULE = '1 to 120, as in 25, 29.97 or 30000/1001';

/** Rates that are written with a point, as fractions. */
const KNOWN: Record<string, FrameRate> = {
  '23.976': { num: 24_000, den: 1001 },
  '29.97': { num: 30_000, den: 1001 },
  '59.94': { num: 60_000, den: 1001 },
};

/** Pixels of a video, as in `1280x720`; null when a video cannot be so large, or it is none. */
export function parseSize(text: string): { width: number; height: number } | null {
  const [, width = 0, height = 0] = (/^(\d{1,5})[x×](\d{1,5})$/.exec(text.trim()) ?? []).map(Number);
  const fits = (side: number) => side % 2 === 0 && side >= 64 && side <= 3840;
  return fits(width) && fits(height) ? { width, height } : null;
}

/** Pictures a second, as in `25`, `29.97` or `30000/1001`; null for what is none from 1 to 120. */
export function parseRate(text: string): FrameRate | null {
  const known = KNOWN[text];
  if (known) return known;
  const [, num = 0, den = 1] = /^(\d{1,9})(?:\/(\d{1,9}))?$/.exec(text)?.map((part = '1') => Number(part)) ?? [];
  return den >= 1 && num / den >= 1 && num / den <= 120 ? { num, den } : null;
}
