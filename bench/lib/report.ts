import { parseArgs } from 'node:util';

/** Limits by figure: `"<= 8"` or `">= 0.9"`. */
export type Targets = Record<string, `${'<=' | '>='} ${number}`>;

/** Whether every figure that has a target keeps it; a missing or non-finite figure does not. */
export function meets(figures: Record<string, number>, targets: Targets): boolean {
  return Object.entries(targets).every(([name, target]) => {
    const [operator, limit] = target.split(' ') as ['<=' | '>=', string];
    const value = figures[name];
    if (value === undefined || !Number.isFinite(value)) return false;
    return operator === '<=' ? value <= Number(limit) : value >= Number(limit);
  });
}

/** Prints the figures as a table, and with `--json` one object as the last line. Returns whether all targets are met. */
export function report(bench: string, figures: Record<string, number>, targets: Targets): boolean {
  const met = meets(figures, targets);
  for (const [name, value] of Object.entries(figures)) {
    const target = targets[name];
    const verdict =
      target === undefined
        ? ''
        : meets({ [name]: value }, { [name]: target })
          ? `  ok (${target})`
          : `  MISSED (${target})`;
    console.log(`${name.padEnd(36)} ${String(Math.round(value * 1000) / 1000).padStart(10)}${verdict}`);
  }
  const { values } = parseArgs({ options: { json: { type: 'boolean' } }, strict: false });
  if (values.json) console.log(JSON.stringify({ bench, figures, targets, met }));
  return met;
}

/** The q-quantile (0…1) of numbers, by nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
