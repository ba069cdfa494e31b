/** Writes shapes, colours and soft edges as SVG text. */

import { clamp, lerp, type Point } from './geometry.js';

/** Colour stops of a ramp: [position, '#rrggbb'], ascending. */
export type Ramp = readonly (readonly [number, string])[];

export const num = (v: number): string => String(Math.round(v * 100) / 100);
export const num1 = (v: number): string => String(Math.round(v * 10) / 10);

/** `d` of a smooth path through points (Catmull-Rom written as cubic Béziers). */
export function curve(points: readonly Point[], closed = false): string {
  const n = points.length;
  const at = (i: number): Point => points[closed ? (i + n) % n : clamp(i, 0, n - 1)]!;
  const xy = (x: number, y: number): string => `${num1(x)} ${num1(y)}`;
  let d = `M${xy(...at(0))}`;
  for (let i = 0; i < (closed ? n : n - 1); i++) {
    const [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    const before = xy(p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6);
    const after = xy(p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6);
    d += `C${before} ${after} ${xy(...p2)}`;
  }
  return closed ? d + 'Z' : d;
}

/** Like `curve`, open, in relative coordinates: shorter, for thousands of strands. */
export function strand(points: readonly Point[]): string {
  const at = (i: number): Point => points[clamp(i, 0, points.length - 1)]!;
  let cx = Math.round(at(0)[0] * 10);
  let cy = Math.round(at(0)[1] * 10);
  let d = `M${cx / 10} ${cy / 10}c`;
  for (let i = 0; i < points.length - 1; i++) {
    const [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    const rel = (x: number, y: number): string =>
      `${(Math.round(x * 10) - cx) / 10} ${(Math.round(y * 10) - cy) / 10} `;
    d += rel(p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6);
    d += rel(p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6) + rel(p2[0], p2[1]);
    cx = Math.round(p2[0] * 10);
    cy = Math.round(p2[1] * 10);
  }
  return d
    .trimEnd()
    .replace(/ -/g, '-')
    .replace(/(^|[^0-9])0\./g, '$1.');
}

/** `d` of straight segments, closed. */
export const polygon = (points: readonly Point[]): string =>
  points.map(([x, y], i) => `${i ? 'L' : 'M'}${num1(x)} ${num1(y)}`).join('') + 'Z';

/** `d` of the area between two left-to-right curves. */
export const between = (top: readonly Point[], bottom: readonly Point[]): string =>
  `${curve(top)}L${curve([...bottom].reverse()).slice(1)}Z`;

/** `d` of a tapered stroke along `path`: width(t) for t from root (0) to tip (1). */
export function tapered(path: readonly Point[], width: (t: number) => number): string {
  const left: Point[] = [];
  const right: Point[] = [];
  for (let i = 0; i < path.length; i++) {
    const [a, b] = [path[Math.max(0, i - 1)]!, path[Math.min(path.length - 1, i + 1)]!];
    const [x, y] = path[i]!;
    const dx = b[0] - a[0];
    const dy = b[1] - a[1];
    const w = width(i / (path.length - 1)) / 2 / (Math.hypot(dx, dy) || 1);
    left.push([x - dy * w, y + dx * w]);
    right.push([x + dy * w, y - dx * w]);
  }
  return between(left, right);
}

const rgb = (hex: string): number[] => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** Mix of two #rrggbb colours, about linear in light. */
export const mix = (a: string, b: string, t: number): string => {
  const q = rgb(b);
  const mixed = rgb(a).map((v, i) => Math.round(Math.sqrt(lerp(v * v, q[i]! ** 2, clamp(t)))));
  return '#' + mixed.map((v) => v.toString(16).padStart(2, '0')).join('');
};

/** Colour of a ramp at `t`. */
export function ramp(stops: Ramp, t: number): string {
  let i = 1;
  while (i < stops.length - 1 && stops[i]![0] < t) i++;
  const [[p, a], [q, b]] = [stops[i - 1]!, stops[i]!];
  return mix(a, b, (t - p) / (q - p));
}

/** Attribute that blurs a filled shape; `softDefs` brings the filter. */
export const blur = (sigma: number): string => `filter="url(#b${sigma})"`;

const hash = (text: string): string => {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h >>> 0).toString(36);
};

/**
 * A blurred stroke along a path of absolute coordinate pairs. It brings its own filter, because the box of a flat line
 * is too thin for a shared one.
 */
export function line(
  d: string,
  colour: string,
  width: number,
  opacity: number,
  sigma: number,
  cap: 'butt' | 'round' = 'butt',
): string {
  const n = (d.match(/-?[\d.]+/g) ?? []).map(Number);
  const xs = n.filter((_, i) => i % 2 === 0);
  const ys = n.filter((_, i) => i % 2 === 1);
  const pad = width + 3 * sigma;
  const [x, y] = [Math.min(...xs) - pad, Math.min(...ys) - pad];
  const box = `x="${num1(x)}" y="${num1(y)}" width="${num1(Math.max(...xs) + pad - x)}" height="${num1(Math.max(...ys) + pad - y)}"`;
  const id = `l${hash(d + String(sigma))}`;
  return (
    `<filter id="${id}" filterUnits="userSpaceOnUse" ${box} color-interpolation-filters="sRGB"><feGaussianBlur stdDeviation="${sigma}"/></filter>` +
    `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${num(width)}" stroke-opacity="${num(opacity)}"` +
    `${cap === 'butt' ? '' : ` stroke-linecap="${cap}"`} filter="url(#${id})"/>`
  );
}

/** A soft ellipse that fades to nothing at rx, ry: cheaper than a blur and never cut off. */
export function glow(
  cx: number,
  cy: number,
  rx: number,
  ry: number,
  colour: string,
  opacity: number,
  turn = 0,
): string {
  const rotate = turn ? ` transform="rotate(${num(turn)} ${num(cx)} ${num(cy)})"` : '';
  return `<ellipse cx="${num(cx)}" cy="${num(cy)}" rx="${num(rx)}" ry="${num(ry)}" fill="url(#glow-${colour.slice(1)})" fill-opacity="${num(opacity)}"${rotate}/>`;
}

const FALL = [0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.88, 1].map((o) => {
  const end = Math.exp(-3.4);
  return [o, (Math.exp(-(o * o) * 3.4) - end) / (1 - end)] as const;
});

/** Definitions of the blurs and glows that a drawing refers to. */
export function softDefs(drawing: string): string {
  const uses = new Set(drawing.match(/url\(#(?:b[\d.]+|glow-[\da-f]+)\)/g) ?? []);
  return [...uses]
    .sort()
    .map((use) => {
      const id = use.slice(5, -1);
      if (id.startsWith('b')) {
        return `<filter id="${id}" x="-60%" y="-60%" width="220%" height="220%" color-interpolation-filters="sRGB"><feGaussianBlur stdDeviation="${id.slice(1)}"/></filter>`;
      }
      const stops = FALL.map(([o, a]) => `<stop offset="${o}" stop-color="#${id.slice(5)}" stop-opacity="${num(a)}"/>`);
      return `<radialGradient id="${id}">${stops.join('')}</radialGradient>`;
    })
    .join('');
}

/** One gradient stop. */
export const stop = (offset: number, colour: string, opacity = 1): string =>
  `<stop offset="${offset}" stop-color="${colour}"${opacity === 1 ? '' : ` stop-opacity="${opacity}"`}/>`;
