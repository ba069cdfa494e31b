/**
 * Hair as sheets: a sheet is a list of guide curves, each from root to tip with the same number of points, between
 * which strands run in clumps. A lock is a sheet that is grown around a spine.
 */

import { along, bell, clamp, lerp, random, smooth, spline, table, type Point } from './geometry.js';
import { between, blur, mix, num, ramp, strand, tapered, type Ramp } from './paint.js';

export type Sheet = readonly (readonly Point[])[];
/** Light at s across, t along a sheet, and v (−1…1) across the clump. */
export type Tone = (s: number, t: number, v: number) => number;
/** A lock: its spine, half its width at each of the spine's points, and how light it is. */
export interface Lock {
  spine: readonly Point[];
  half: readonly number[];
  tone: number;
}

/** How the strands of a sheet are laid. */
export interface SheetStyle {
  seed: number;
  clumps: number;
  /** Strands. */
  count: number;
  tone: Tone;
  width?: number;
  wave?: number;
  waves?: number;
  taper?: number;
  /** The part of the guides that the sheet covers. */
  reach?: readonly [number, number];
  /** Shortest and longest strand, as a part of the guide. */
  length?: readonly [number, number];
  ground?: string;
  fray?: number;
  stray?: number;
}

const TONES: Ramp = [
  [0, '#0d0706'],
  [0.2, '#22120c'],
  [0.42, '#472818'],
  [0.6, '#704429'],
  [0.76, '#9c6a43'],
  [0.9, '#cd9f6f'],
  [1, '#f3d3a8'],
];

/** Five guides across a lock, from its inner to its outer edge. */
export function grow({ spine, half }: Lock): Sheet {
  const rows = half.map((h, i): Point => [i, h]);
  const side = spine[spine.length >> 1]![0] < 0 ? -1 : 1;
  return [-1, -0.5, 0, 0.5, 1].map((v) =>
    spine.map(([x, y], i): Point => {
      const a = spine[Math.max(0, i - 1)]!;
      const b = spine[Math.min(spine.length - 1, i + 1)]!;
      const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
      const w = (table(rows, i) * v * side) / Math.hypot(dx, dy);
      return [x - dy * w, y + dx * w];
    }),
  );
}

const ROWS = 32;
const fine = new WeakMap<Sheet, Point[][]>();

/** Point of a sheet at s across (0…1, a little more is allowed) and t along. */
function at(guides: Sheet, s: number, t: number): Point {
  let rows = fine.get(guides);
  if (!rows) {
    rows = Array.from({ length: ROWS + 1 }, (_, n) => {
      const f = (n / ROWS) * (guides.length - 1);
      const i = Math.min(guides.length - 2, Math.floor(f));
      const [a, b] = [guides[i]!, guides[i + 1]!];
      return spline(
        a.map((p, k): Point => [lerp(p[0], b[k]![0], f - i), lerp(p[1], b[k]![1], f - i)]),
        8,
      );
    });
    fine.set(guides, rows);
  }
  const f = s * ROWS;
  const i = clamp(Math.floor(f), 0, ROWS - 1);
  const [a, b] = [along(rows[i]!, t), along(rows[i + 1]!, t)];
  return [lerp(a[0], b[0], f - i), lerp(a[1], b[1], f - i)];
}

/** One sheet: dark clumps with tapering ends, then strands sorted by tone. */
export function sheet(guides: Sheet, style: SheetStyle): string {
  const { seed, clumps, count, tone, width = 1, wave = 0, waves = 2, taper = 0.5 } = style;
  const { reach = [0, 1], length = [0.18, 0.5], ground = '#1a0e0a', fray = 0.08, stray = 0 } = style;
  const r = random(seed);
  const steps = guides[0]!.length * 2.2;
  const clump = Array.from({ length: clumps }, (_, k) => ({
    phase: r.range(0, 1),
    amp: r.range(0.7, 1.1),
    shade: r.range(-0.06, 0.06),
    lift: r.range(-0.3, 0.3),
    end: k === clumps - 1 ? 1 : r.range(1 - fray, 1),
  }));
  const across = (k: number, v: number, t: number): number => {
    const tip = 1 - taper * Math.pow(smooth(0.72, 1.02, t), 1.3);
    return (k + 0.5 + clump[k]!.lift * 0.5 * t + v * 0.5 * 1.2 * tip) / clumps;
  };
  const place = (k: number, v: number, t: number): Point => {
    const c = clump[k]!;
    const q = t * c.end;
    const [x, y] = at(guides, across(k, v, t), q);
    const w = wave * smooth(0.2, 0.7, t) * c.amp * Math.sin(q * 6.28 * waves + c.phase);
    return [x + w, y + w * 0.15];
  };
  let masses = '';
  for (let k = 0; k < clumps; k++) {
    const side = (v: number): Point[] => Array.from({ length: 19 }, (_, j) => place(k, v, lerp(reach[0], 1, j / 18)));
    masses += between(side(-1.2), side(1.2));
  }
  const bins = new Map<string, string>();
  for (let i = 0; i < count; i++) {
    const k = Math.floor(r() * clumps);
    const v = r.range(-1, 1) * (1.05 + (k === 0 || k === clumps - 1 ? stray : 0));
    const l = r.range(...length);
    const t0 = Math.max(reach[0], r.range(reach[0] - l * 0.4, reach[1] - l * 0.5));
    const t1 = Math.min(reach[1], t0 + l);
    const n = Math.max(3, Math.round((t1 - t0) * steps * 0.55));
    const wander = r.range(-0.2, 0.2);
    const path = Array.from({ length: n + 1 }, (_, j) => place(k, v + wander * (j / n), lerp(t0, t1, j / n)));
    const j = path.length >> 1;
    const s = across(k, v + wander * (j / n), lerp(t0, t1, j / n));
    const shade = clump[k]!.shade + r.range(-0.055, 0.055) - 0.08 * v * v;
    const bin = Math.round(clamp(tone(s, (t0 + t1) / 2, v) + shade) * 22);
    const w = Math.round(r.range(0.55, 1.45) * width * 2) / 2 || 0.5;
    // Bright strands taper at both ends, the dark mass can do with plain strokes.
    const bright = bin > 5;
    const key = `${String(bin).padStart(2, '0')}|${bright ? 'fill' : w}`;
    const d = bright ? tapered(path, (q) => (w + 0.5) * Math.sin(Math.PI * (0.04 + 0.92 * q))) : strand(path);
    bins.set(key, (bins.get(key) ?? '') + d);
  }
  const lines = [...bins]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, d]) => {
      const [bin = '', w = ''] = key.split('|');
      const colour = ramp(TONES, Number(bin) / 22);
      return w === 'fill'
        ? `<path d="${d}" fill="${colour}" fill-opacity=".72" stroke="none"/>`
        : `<path d="${d}" stroke="${colour}" stroke-width="${w}"/>`;
    });
  return `<path d="${masses}" fill="${ground}" ${blur(0.7)}/><g fill="none" stroke-linecap="round" stroke-opacity=".7">${lines.join('')}</g>`;
}

/** What a lock adds to a sheet's style. */
export interface LockStyle {
  density?: number;
  /** How much of the key light reaches it. */
  key?: number;
  /** Where along it the shine lies. */
  bands?: readonly number[];
  taper?: number;
}

/** A lock with its own shadow on what lies behind it; shines where it bulges towards the light. */
export function lockSvg(lock: Lock, seed: number, style: LockStyle = {}): string {
  const { density = 7, key = 1, bands = [0.36, 0.68], taper = 0.35 } = style;
  const guides = grow(lock);
  const area = lock.half.reduce((a, b) => a + b) * 2;
  const shine = (s: number, t: number): number =>
    bands.reduce((sum, c, i) => sum + (i ? 0.26 : 0.3) * key * bell(t, c + 0.03 * (s - 0.5), 0.055), 0);
  const tone: Tone = (s, t, v) =>
    0.21 +
    lock.tone -
    0.04 * v -
    0.3 * (s - 0.5) ** 2 +
    key * 0.05 * (0.5 - s) +
    shine(s, t) * (0.45 + 0.55 * bell(s, 0.46, 0.26)) -
    0.14 * smooth(0.12, 0, t) -
    0.1 * smooth(0.9, 1, t);
  const shadow = between(guides[0]!.slice(1), guides[4]!.slice(1));
  const strands = {
    seed,
    clumps: 5,
    fray: 0.13,
    count: Math.round(area * density * 0.22),
    tone,
    wave: 1.5,
    taper,
    stray: 0.25,
  };
  return (
    `<path d="${shadow}" fill="#060302" fill-opacity=".45" transform="translate(4 6)" ${blur(4)}/>` +
    sheet(guides, { ...strands, length: [0.1, 0.34] })
  );
}

/** Single hairs that leave the silhouette of a sheet; `outward` is −1 to the left, 1 to the right. */
export function flyaways(
  seed: number,
  guides: Sheet,
  count: number,
  outward: number,
  range: readonly [number, number],
  colours: readonly [string, string] = ['#2c1810', '#7d5436'],
): string {
  const r = random(seed);
  let out = '';
  for (let i = 0; i < count; i++) {
    const t0 = r.range(...range);
    const l = r.range(0.14, 0.36);
    const drift = r.range(0.6, 2.6) * (r() < 0.2 ? 2.6 : 1);
    const s0 = r.range(0.95, 1.012);
    const hair = Array.from({ length: 7 }, (_, k): Point => {
      const q = k / 6;
      const [x, y] = at(guides, s0, Math.min(1, t0 + l * q));
      return [x + outward * drift * q * q + Math.sin(q * 4 + i) * 0.8, y - drift * 0.35 * q * q];
    });
    out += `<path d="${tapered(hair, (q) => 0.75 * (1 - 0.8 * q))}" fill="${mix(...colours, r())}" fill-opacity="${num(r.range(0.3, 0.65))}"/>`;
  }
  return out;
}

/** Short hairs that soften the edge between skin and hair; `dir` is 1 on the left side, −1 on the right. */
export function hairline(guides: Sheet, seed: number, count: number, dir: number, to: number): string {
  const r = random(seed);
  let out = '';
  for (let i = 0; i < count; i++) {
    const t = r.range(0.01, to);
    const l = r.range(0.08, 0.2);
    const inside = r.range(0.5, 5) * (i % 6 ? 0.6 : 1.3);
    const s0 = r.range(0, 0.03);
    const hair = [0, 0.33, 0.66, 1].map((q): Point => {
      const [x, y] = at(guides, s0 + 0.12 * q * q, t + l * q);
      const side = smooth(0.12, 0.5, t);
      return [x + dir * inside * side * (1 - q), y + inside * (1 - 0.75 * side) * (1 - q)];
    });
    out += `<path d="${tapered(hair, (q) => 0.2 + 0.7 * Math.sin(Math.PI * (0.1 + 0.8 * q)))}" fill="${mix('#22120c', '#5d3723', r())}" fill-opacity="${num(r.range(0.3, 0.7))}"/>`;
  }
  return out;
}

/** Fine ends of a lock that part from it before its tip. */
export function wisps(lock: Lock, seed: number): string {
  const guides = grow(lock);
  const r = random(seed);
  let out = '';
  for (let i = 0; i < 16; i++) {
    const s0 = r.range(-0.02, 1.02);
    const t0 = r.range(0.62, 0.82);
    const t1 = r.range(0.93, 1);
    const [dx, dy] = [r.range(-7, 7), r.range(2, 13)];
    const w = r.range(0.7, 2);
    const hair = Array.from({ length: 9 }, (_, k): Point => {
      const q = k / 8;
      const [x, y] = at(guides, s0, lerp(t0, t1, q));
      return [x + dx * q * q, y + dy * q ** 3];
    });
    out += `<path d="${tapered(hair, (q) => w * Math.pow(Math.sin(Math.PI * (0.12 + 0.88 * q)), 0.8))}" fill="${mix('#1c0f0a', '#5d3a24', r())}" fill-opacity="${num(r.range(0.5, 0.85))}"/>`;
  }
  return out;
}
