/** Turns a height field into painted volume: the field is lit, the tone is cut into many levels, each level becomes a vector contour filled with its colour. A slight blur over the stack melts the steps, which leaves smooth shading at any scale. */

import { clamp, type Point } from './geometry.js';
import { ramp, type Ramp } from './paint.js';

/** Samples of a height or tone over the rectangle that starts at x0, y0. */
export interface Grid {
  x0: number;
  y0: number;
  step: number;
  w: number;
  h: number;
  z: Float32Array;
}
/** A rectangle to sample, and the distance of the samples. */
export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  step: number;
}
export interface Light {
  dir: readonly [number, number, number];
  power: number;
  /** 0: a lamp, 1: light from half the sky. */
  wrap: number;
}
interface Lighting {
  lights: readonly Light[];
  ambient: number;
  /** Darkens what lies lower than its surroundings of size `sigma`. */
  occlusion: readonly { sigma: number; strength: number; open: number }[];
}
/** One tone and the outlines of what is at least as light. */
export interface Level {
  tone: number;
  loops: Point[][];
}

const normalize = (v: readonly [number, number, number]): [number, number, number] => {
  const l = Math.hypot(...v);
  return [v[0] / l, v[1] / l, v[2] / l];
};

/** Samples `height(x, y)` on a grid. */
export function grid({ x0, y0, x1, y1, step }: Box, height: (x: number, y: number) => number): Grid {
  const w = Math.round((x1 - x0) / step) + 1,
    h = Math.round((y1 - y0) / step) + 1;
  const z = new Float32Array(w * h);
  for (let j = 0; j < h; j++) for (let i = 0; i < w; i++) z[j * w + i] = height(x0 + i * step, y0 + j * step);
  return { x0, y0, step, w, h, z };
}

/** Gaussian blur of a grid's values, sigma in face units. */
function blurGrid({ w, h, step, z }: Grid, sigma: number): Float32Array {
  const s = sigma / step,
    r = Math.ceil(s * 2.5);
  const k = Array.from({ length: 2 * r + 1 }, (_, i) => Math.exp(-(((i - r) / s) ** 2) / 2));
  const sum = k.reduce((a, b) => a + b);
  const pass = (src: Float32Array, dx: number, dy: number): Float32Array => {
    const out = new Float32Array(w * h);
    for (let j = 0; j < h; j++)
      for (let i = 0; i < w; i++) {
        let v = 0;
        for (let q = -r; q <= r; q++)
          v += k[q + r]! * src[clamp(j + q * dy, 0, h - 1) * w + clamp(i + q * dx, 0, w - 1)]!;
        out[j * w + i] = v / sum;
      }
    return out;
  };
  return pass(pass(z, 1, 0), 0, 1);
}

/** Lit tone (0…1) of a height grid. */
export function light(g: Grid, { lights, ambient, occlusion }: Lighting): Float32Array {
  const { w, h, step, z } = g;
  const dirs = lights.map((l) => ({ ...l, dir: normalize(l.dir) }));
  const cavities = occlusion.map(({ sigma, strength, open }) => ({ blurred: blurGrid(g, sigma), strength, open }));
  const tone = new Float32Array(w * h);
  for (let j = 0; j < h; j++)
    for (let i = 0; i < w; i++) {
      const l = Math.max(0, i - 1),
        r = Math.min(w - 1, i + 1),
        u = Math.max(0, j - 1),
        d = Math.min(h - 1, j + 1);
      const nx = -(z[j * w + r]! - z[j * w + l]!) / ((r - l) * step);
      const ny = -(z[d * w + i]! - z[u * w + i]!) / ((d - u) * step);
      const len = Math.hypot(nx, ny, 1);
      let t = ambient * (0.75 - 0.25 * (ny / len));
      for (const { dir, power, wrap } of dirs) {
        const dot = (nx * dir[0] + ny * dir[1] + dir[2]) / len;
        t += power * Math.max(0, (dot + wrap) / (1 + wrap));
      }
      let ao = 1;
      for (const { blurred, strength, open } of cavities) {
        const c = blurred[j * w + i]! - z[j * w + i]!;
        ao *= Math.exp(-strength * (c > 0 ? c : c * open));
      }
      tone[j * w + i] = t * ao;
    }
  return tone;
}

// Where a contour enters and leaves a cell: top, bottom, left, right, by which of its corners are inside.
const CELLS = [
  [], ['LB'], ['BR'], ['LR'], ['RT'], ['LT', 'RB'], ['BT'], ['LT'], ['TL'], ['TB'], ['TR', 'BL'], ['TR'], ['RL'], ['RB'], ['BL'], [],
]; // prettier-ignore

type Node = readonly [x: number, y: number, key: number];

/** Closed loops around what is at least `level` (marching squares, linear interpolation). */
function contours({ x0, y0, step, w, h }: Grid, value: Float32Array, level: number): Point[][] {
  const at = (i: number, j: number): number => (i < 0 || j < 0 || i >= w || j >= h ? -1e3 : value[j * w + i]!);
  const next = new Map<number, [Node, Node]>();
  const edge = (i: number, j: number, horizontal: boolean): Node => {
    const a = at(i, j),
      b = horizontal ? at(i + 1, j) : at(i, j + 1);
    const t = clamp(Math.abs(a) > 900 || Math.abs(b) > 900 ? (a > b ? 0 : 1) : (level - a) / (b - a));
    return [
      x0 + (i + (horizontal ? t : 0)) * step,
      y0 + (j + (horizontal ? 0 : t)) * step,
      ((j + 2) * (w + 4) + i + 2) * 2 + (horizontal ? 0 : 1),
    ];
  };
  const link = (a: Node, b: Node): unknown => next.set(a[2], [a, b]);
  for (let j = -1; j < h; j++)
    for (let i = -1; i < w; i++) {
      const c =
        (at(i, j) >= level ? 8 : 0) |
        (at(i + 1, j) >= level ? 4 : 0) |
        (at(i + 1, j + 1) >= level ? 2 : 0) |
        (at(i, j + 1) >= level ? 1 : 0);
      if (c === 0 || c === 15) continue;
      const ends: Record<string, () => Node> = {
        T: () => edge(i, j, true),
        B: () => edge(i, j + 1, true),
        L: () => edge(i, j, false),
        R: () => edge(i + 1, j, false),
      };
      for (const pair of CELLS[c]!) link(ends[pair[0]!]!(), ends[pair[1]!]!());
    }
  const loops: Point[][] = [];
  for (const start of next.keys()) {
    const loop: Point[] = [];
    for (let link = next.get(start); link; link = next.get(link[1][2])) {
      const [a] = link;
      next.delete(a[2]);
      loop.push([a[0], a[1]]);
    }
    if (loop.length > 3) loops.push(loop);
  }
  return loops;
}

/** Douglas-Peucker on a closed loop. */
function simplify(points: readonly Point[], tolerance: number): Point[] {
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const stack: Point[] = [[0, points.length - 1]];
  while (stack.length) {
    const [a, b] = stack.pop()!;
    const [ax, ay] = points[a]!,
      dx = points[b]![0] - ax,
      dy = points[b]![1] - ay,
      l = Math.hypot(dx, dy);
    let worst = 0,
      at = -1;
    for (let i = a + 1; i < b; i++) {
      const [x, y] = points[i]!;
      const d = l < 1e-6 ? Math.hypot(x - ax, y - ay) : Math.abs((x - ax) * dy - (y - ay) * dx) / l;
      if (d > worst) {
        worst = d;
        at = i;
      }
    }
    if (worst > tolerance) {
      keep[at] = 1;
      stack.push([a, at], [at, b]);
    }
  }
  // No edge longer than 9, so that a warp bends straight runs as well.
  const out: Point[] = [];
  points.forEach((point, i) => {
    if (!keep[i]) return;
    const last = out[out.length - 1];
    if (last) {
      const n = Math.floor(Math.hypot(point[0] - last[0], point[1] - last[1]) / 9);
      for (let k = 1; k <= n; k++)
        out.push([last[0] + ((point[0] - last[0]) * k) / (n + 1), last[1] + ((point[1] - last[1]) * k) / (n + 1)]);
    }
    out.push(point);
  });
  return out;
}

/** Cuts a tone map into `count` levels from `lo` up, dark to light. */
export function levels(g: Grid, tone: Float32Array, count: number, lo = 0.02): Level[] {
  const [hi, tolerance] = [1, 0.3];
  return Array.from({ length: count }, (_, n) => {
    const level = lo + ((hi - lo) * n) / count;
    return {
      tone: level + (hi - lo) / count / 2,
      loops: contours(g, tone, level)
        .map((l) => simplify(l, tolerance))
        .filter((l) => l.length > 2),
    };
  }).filter((l) => l.loops.length);
}

/** Paints levels with a colour ramp; `warp` moves every point (the jaw uses it). */
export function bands(list: readonly Level[], colours: Ramp, warp = (p: Point): Point => p): string {
  return list
    .map(({ tone, loops }) => {
      let d = '';
      for (const loop of loops) {
        let px = 0,
          py = 0;
        loop.forEach((point, i) => {
          const [x, y] = warp(point),
            qx = Math.round(x * 10),
            qy = Math.round(y * 10);
          d += i ? `l${(qx - px) / 10} ${(qy - py) / 10}` : `M${qx / 10} ${qy / 10}`;
          px = qx;
          py = qy;
        });
        d += 'z';
      }
      return `<path fill="${ramp(colours, tone)}" fill-rule="evenodd" d="${d}"/>`;
    })
    .join('');
}
