const UNITS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

/**
 * A length of time in ms: `200ms`, `1.5s`, `10m`, `2h`, `1h30m`; a bare number counts in `bare`. Null for anything else.
 */
export function parseDuration(text: string, bare: 'ms' | 's'): number | null {
  const value = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * UNITS[bare];
  if (!/^(\d+(\.\d+)?(ms|s|min|m|h)\s*)+$/.test(value)) return null;
  let sum = 0;
  for (const [, number, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h)/g)) {
    sum += Number(number) * UNITS[unit as keyof typeof UNITS];
  }
  return sum;
}
