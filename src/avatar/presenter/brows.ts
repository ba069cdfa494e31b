/** The brows: single hairs over a soft ground. */

import type { FacePose } from '../../units.js';
import { along, clamp, lerp, points, random, smooth, spline, type Point } from './geometry.js';
import { between, blur, mix, num, tapered } from './paint.js';

const BROW = points('21.5,-32.6 30,-34.6 41,-36.8 54,-39.2 66,-40.8 78,-39.8 89,-35.6 99,-28.6');
const BROW_HALF = [2.2, 4.2, 5, 4.8, 4.2, 3.2, 2, 0.5];

/** SVG transform of one brow: raise -1..1, frown 0..1 (lowers and turns the inner end). */
function browTransform(s: -1 | 1, { raise, frown }: FacePose['brows']): string {
  const dy = -7.5 * clamp(raise, -1) + 1.8 * clamp(frown),
    dx = -s * 3.6 * clamp(frown);
  const turn = s * (4.6 * clamp(frown) - 1.6 * clamp(raise, -1));
  return `translate(${num(dx)} ${num(dy - (s < 0 ? 0.8 : 0))}) rotate(${num(turn)} ${s * 70} -35)`;
}

function browSvg(s: -1 | 1, pose: FacePose['brows']): string {
  const r = random(s < 0 ? 5 : 8);
  const mid = spline(BROW, 6),
    half = spline(
      BROW_HALF.map((h, i): Point => [i, h]),
      6,
    ).map((p) => p[1]);
  const edge = (k: number): Point[] => mid.map(([x, y], i): Point => [x * s, y + half[i]! * k]);
  const shape = between(edge(-0.85), edge(0.85));
  let hairs = '';
  for (let i = 0; i < 340; i++) {
    const t = Math.pow(r(), 0.85) * 0.99,
      [x, y] = along(mid, t),
      h = along(
        half.map((k, n): Point => [n, k]),
        t,
      )[1];
    const v = r.range(-1, 1),
      root: Point = [x + r.range(-1, 1), y + v * h * 0.9];
    const slope = lerp(-0.2, 0.5, smooth(0.15, 1, t));
    // Upright at the head, then lying along the brow; upper hairs comb down, lower ones up.
    const stand = lerp(1.15, 0.34, smooth(0, 0.3, t)) * (v > -0.3 ? 1 : 0.35) - (v < -0.3 ? 0.16 : 0);
    const a = slope - stand + r.range(-0.14, 0.14),
      b = lerp(a, slope, 0.6);
    const l = lerp(5.5, 8, smooth(0, 0.3, t)) * r.range(0.7, 1.1) * (1 - 0.4 * smooth(0.75, 1, t));
    const m: Point = [root[0] + Math.cos(a) * l * 0.5, root[1] + Math.sin(a) * l * 0.5];
    const e: Point = [m[0] + Math.cos(b) * l * 0.5, m[1] + Math.sin(b) * l * 0.5];
    const w = r.range(0.42, 0.82),
      soft = lerp(0.4, 1, smooth(0, 0.3, t));
    hairs += `<path d="${tapered(
      [root, m, e].map(([px, py]): Point => [px * s, py]),
      (q) => w * (1 - 0.85 * q),
    )}" fill="${mix('#2a1710', '#6f4a33', Math.pow(r(), 1.4))}" fill-opacity="${num(r.range(0.45, 0.85) * soft)}"/>`;
  }
  return `<g transform="${browTransform(s, pose)}"><path d="${shape}" fill="#5a3524" fill-opacity=".5" ${blur(2)}/><path d="${shape}" fill="#452819" fill-opacity=".34" ${blur(1.5)}/>${hairs}</g>`;
}

/** Both brows. */
export const browsSvg = (pose: FacePose['brows']): string =>
  `<g id="brows">${browSvg(-1, pose)}${browSvg(1, pose)}</g>`;
