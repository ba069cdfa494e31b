/** Sound with beeps at known places. */
export interface Beeps {
  pcm: Int16Array;
  /** First sample of each beep. */
  starts: number[];
}

const BEEP_MS = 60;
const BEEP_HZ = 1000;
const LEVEL = 0.5;

/** `count` beeps of 60 ms, the first after `everyMs`, and then as much apart. */
export function beeps(count: number, everyMs: number, rateHz: number): Beeps {
  const every = (everyMs * rateHz) / 1000;
  if (!Number.isInteger(every)) throw new RangeError(`${everyMs} ms are no whole samples`);
  const pcm = new Int16Array(every * (count + 1));
  const starts = Array.from({ length: count }, (_, i) => (i + 1) * every);
  for (const start of starts) {
    // A cosine: the first sample is the loudest.
    for (let i = 0; i < (BEEP_MS * rateHz) / 1000; i++) {
      pcm[start + i] = Math.round(32_767 * LEVEL * Math.cos((2 * Math.PI * BEEP_HZ * i) / rateHz));
    }
  }
  return { pcm, starts };
}
