const UNITS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A length of time in ms: `200ms`, `1.5s`, `10m`, `2h`, `1d`, `1h30m`; a bare number counts in `bare`. Null for anything
 * else.
 */
export function parseDuration(text: string, bare: 'ms' | 's'): number | null {
  const value = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(value)) return finite(Number(value) * UNITS[bare]);
  if (!/^(\d+(\.\d+)?\s*(ms|s|min|m|h|d)\s*)+$/.test(value)) return null;
  let sum = 0;
  for (const [, number, unit] of value.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)/g)) {
    sum += Number(number) * UNITS[unit as keyof typeof UNITS];
  }
  return finite(sum);
}

/** Milliseconds as "2:07" or "1:02:07", whole seconds. */
export function clockText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
