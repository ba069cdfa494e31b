/**
 * Numbers, curves and fields that the presenter's drawing is made of. Face coordinates: the origin lies between the
 * eyes, x to the viewer's right, y down, 1 unit = 1 canvas unit.
 */

export type Point = readonly [number, number];
/** Rows of [position, value], ascending. */
export type Rows = readonly (readonly [number, number])[];

export const clamp = (v: number, lo = 0, hi = 1): number => Math.min(hi, Math.max(lo, v));
export const lerp = (a: number, b: number, t: number): number => a + (b - a) * t;
/** Smooth step from 0 at `a` to 1 at `b`. */
export const smooth = (a: number, b: number, v: number): number => {
  const t = clamp((v - a) / (b - a));
  return t * t * (3 - 2 * t);
};
/** Bell curve of height 1 around `centre`. */
export const bell = (t: number, centre: number, sigma: number): number => Math.exp(-(((t - centre) / sigma) ** 2) / 2);
/** Value that is computed at its first use and kept. */
export const lazy = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
};

/** A seeded source of random numbers. */
export interface Random {
  (): number;
  range(lo: number, hi: number): number;
  normal(): number;
  pick<T>(list: readonly T[]): T;
}

/** Seeded random numbers (mulberry32): the drawing is the same at every start. */
export function random(seed: number): Random {
  let a = seed >>> 0;
  const next = (): number => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return Object.assign(next, {
    range: (lo: number, hi: number) => lo + (hi - lo) * next(),
    normal: () => (next() + next() + next() + next() - 2) * 0.866,
    pick: <T>(list: readonly T[]) => list[Math.floor(next() * list.length)]!,
  });
}

/** Points on a Catmull-Rom spline through `points`. */
export function spline(points: readonly Point[], perSegment = 12): Point[] {
  const at = (i: number): Point => points[clamp(i, 0, points.length - 1)]!;
  const out: Point[] = [];
  for (let i = 0; i < points.length - 1; i++) {
    const [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let k = 0; k < perSegment; k++) {
      const t = k / perSegment;
      const on = (c: 0 | 1): number =>
        0.5 *
        (2 * p1[c] +
          (p2[c] - p0[c]) * t +
          (2 * p0[c] - 5 * p1[c] + 4 * p2[c] - p3[c]) * t * t +
          (3 * p1[c] - p0[c] - 3 * p2[c] + p3[c]) * t * t * t);
      out.push([on(0), on(1)]);
    }
  }
  out.push(points[points.length - 1]!);
  return out;
}

/** Point at `t` (0…1, by index) of a polyline. */
export function along(path: readonly Point[], t: number): Point {
  const f = clamp(t) * (path.length - 1);
  const i = Math.min(path.length - 2, Math.floor(f));
  const [a, b] = [path[i]!, path[i + 1]!];
  return [lerp(a[0], b[0], f - i), lerp(a[1], b[1], f - i)];
}

/** Gaussian hill of height 1, turned by `turn` radians. */
export const bump = (x: number, y: number, cx: number, cy: number, sx: number, sy: number, turn = 0): number => {
  const c = Math.cos(turn);
  const s = Math.sin(turn);
  const p = ((x - cx) * c + (y - cy) * s) / sx;
  const q = (-(x - cx) * s + (y - cy) * c) / sy;
  return Math.exp(-(p * p + q * q) / 2);
};

/** Gaussian of the distance to a polyline. */
export const ridge = (x: number, y: number, path: readonly Point[], sigma: number): number => {
  let best = 1e9;
  for (let i = 0; i < path.length - 1; i++) {
    const [ax, ay] = path[i]!;
    const dx = path[i + 1]![0] - ax;
    const dy = path[i + 1]![1] - ay;
    const t = clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy));
    best = Math.min(best, (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2);
  }
  return Math.exp(-best / (2 * sigma * sigma));
};

/** Smoothly interpolated look-up in rows of [position, value]. */
export const table = (rows: Rows, v: number): number => lookUp(rows, v, (t) => t * t * (3 - 2 * t));
/** Linearly interpolated look-up in rows of [position, value]. */
export const linear = (rows: Rows, v: number): number => lookUp(rows, v, (t) => t);

function lookUp(rows: Rows, v: number, ease: (t: number) => number): number {
  if (v <= rows[0]![0]) return rows[0]![1];
  for (let i = 1; i < rows.length; i++) {
    const [a, b] = [rows[i - 1]!, rows[i]!];
    if (v <= b[0]) return lerp(a[1], b[1], ease((v - a[0]) / (b[0] - a[0])));
  }
  return rows[rows.length - 1]![1];
}

/** Points moved by dx, dy. */
export const moved = (points: readonly Point[], dx: number, dy: number): Point[] =>
  points.map(([x, y]): Point => [x + dx, y + dy]);
/** Points between `a` and `b`. */
export const blend = (a: readonly Point[], b: readonly Point[], t: number): Point[] =>
  a.map((p, i): Point => [lerp(p[0], b[i]![0], t), lerp(p[1], b[i]![1], t)]);
/** The same points on the other side of the face. */
export const flipped = (points: readonly Point[]): Point[] => points.map(([x, y]): Point => [-x, y]);
/** A right side and its mirror image as one outline. */
export const mirrored = (points: readonly Point[]): Point[] => [...points, ...flipped(points).reverse()];

/** Points written as 'x,y x,y …'. */
export const points = (list: string): Point[] =>
  list.split(' ').map((pair): Point => {
    const [x = 0, y = 0] = pair.split(',').map(Number);
    return [x, y];
  });
