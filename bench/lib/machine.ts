import { loadavg } from 'node:os';

/** Load of the machine over the last minute: figures from a busy one say little. */
export function load1m(): number {
  return loadavg()[0] ?? Number.NaN;
}

/** Milliseconds since 1970, to the microsecond. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
