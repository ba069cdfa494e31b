/** What a soak has found: whether memory or anything countable grew. */
import { Trend, type Slope } from '../../src/guard/trend.js';

/** Whatever ought to be the same before and after, by name. */
export type Counts = Record<string, number>;

export interface Verdict {
  verdict: 'steady' | 'leak' | 'grown' | 'errors' | 'too short';
  /** The process whose memory grows most surely; null: none. */
  process: string | null;
  /** MB an hour of each process's floor; null where the run was too short. */
  slopes: Record<string, Slope | null>;
  /** Counts that are higher at the end. */
  grown: { name: string; before: number; after: number }[];
  errors: string[];
  /** The whole in a sentence. */
  message: string;
}

/** Memory floors of a server's processes over time. */
export class Floors {
  readonly #blockMs: number;
  readonly #trends = new Map<string, Trend>();

  /** `blockMs`: of each block of this length the least counts. */
  constructor(blockMs: number) {
    this.#blockMs = blockMs;
  }

  /** Takes the resident memory of the processes at one time, in bytes. Those that come and go are passed over. */
  add(atMs: number, processes: readonly { name: string; rssBytes: number }[]): void {
    const sums = new Map([['all', 0]]);
    for (const { name, rssBytes } of processes) {
      if (!LASTING.includes(name)) continue;
      sums.set('all', (sums.get('all') ?? 0) + rssBytes);
      sums.set(name, (sums.get(name) ?? 0) + rssBytes);
    }
    for (const [name, bytes] of sums) {
      const trend = this.#trends.get(name) ?? new Trend(this.#blockMs);
      this.#trends.set(name, trend);
      trend.add(atMs, bytes / 1e6);
    }
  }

  slopes(): Record<string, Slope | null> {
    return Object.fromEntries([...this.#trends].map(([name, trend]) => [name, trend.slope()]));
  }
}

/** An interval wider than this to either side, in MB an hour, contains zero but says nothing. */
const WIDEST = 300;
const LASTING: readonly string[] = ['control', 'stage'];

/**
 * A leak is a slope whose whole interval is above zero. Counts may be lower at the end, never higher. Errors are what
 * the server did that it must not do.
 */
export function judge(
  slopes: Record<string, Slope | null>,
  before: Counts,
  after: Counts,
  errors: readonly string[],
): Verdict {
  const sure = Object.entries(slopes)
    .flatMap(([name, slope]) => (slope !== null && slope.lowPerHour > 0 ? [{ name, slope }] : []))
    // The sum grows with whatever is in it: a process that grows is the better answer.
    .sort((a, b) => Number(a.name === 'all') - Number(b.name === 'all') || b.slope.lowPerHour - a.slope.lowPerHour);
  const grown = Object.entries(after).flatMap(([name, count]) => {
    const first = before[name] ?? 0;
    return count > first ? [{ name, before: first, after: count }] : [];
  });
  const surest = sure[0];
  // Alone, each process may be too uneven to be sure of: then it is the one that grows most.
  const name = surest?.name === 'all' ? steepest(slopes) : (surest?.name ?? null);
  const found = { process: name, slopes, grown, errors: [...errors] };
  if (surest) {
    const most = surest.name === name ? '' : `, most of it ${name ?? 'unknown'}`;
    return { ...found, verdict: 'leak', message: `${surest.name} grows by ${mbPerHour(surest.slope)}${most}.` };
  }
  if (grown.length > 0) {
    const list = grown.map(({ name, before: was, after: is }) => `${name} ${was} → ${is}`).join(', ');
    return { ...found, verdict: 'grown', message: `More than before: ${list}.` };
  }
  if (errors.length > 0)
    return { ...found, verdict: 'errors', message: `${errors.length} errors, first: ${errors[0]}` };
  const all = slopes['all'] ?? null;
  if (all === null) return { ...found, verdict: 'too short', message: 'The run was too short to tell.' };
  if (all.highPerHour - all.perHour > WIDEST) {
    const message = `The run was too short, or the machine too busy, to rule a leak out: ${mbPerHour(all)}.`;
    return { ...found, verdict: 'too short', message };
  }
  return { ...found, verdict: 'steady', message: `Memory is steady: ${mbPerHour(all)}; nothing else grew.` };
}

/** The process with the highest slope. */
function steepest(slopes: Record<string, Slope | null>): string | null {
  const each = Object.entries(slopes).flatMap(([name, slope]) => (slope && name !== 'all' ? [{ name, slope }] : []));
  return each.sort((a, b) => b.slope.perHour - a.slope.perHour)[0]?.name ?? null;
}

/** "1.2 MB/h (−0.5 … 2.9)". */
export function mbPerHour({ perHour, lowPerHour, highPerHour }: Slope): string {
  return `${perHour.toFixed(1)} MB/h (${lowPerHour.toFixed(1)} … ${highPerHour.toFixed(1)})`;
}
