/** The shape of the lips as one continuous function of the pose. */

import type { MouthPose } from '../../units.js';
import { clamp, lerp, linear, points, smooth, type Point, type Rows } from './geometry.js';

/** Height of the closed lips' line. */
export const CENTRE_Y = 118.2;
/** The resting face smiles a little; the corners of the mouth turn up with it. */
export const SMILE = 1;

// Heights along half a lip, u = 0 (middle) … 1 (corner).
const UPPER = points('0,10.6 0.1,11.3 0.2,12.6 0.32,12.2 0.5,9.8 0.7,6.4 0.86,3.2 1,0.4');
const LOWER = points('0,15.6 0.16,15.5 0.34,14.6 0.52,12.3 0.7,8.6 0.86,4.4 1,0.4');
const STEPS = [
  -1, -0.96, -0.9, -0.82, -0.72, -0.58, -0.44, -0.32, -0.2, -0.1, 0, 0.1, 0.2, 0.32, 0.44, 0.58, 0.72, 0.82, 0.9, 0.96,
  1,
];
/** Index of the middle, and of the right corner, in each edge. */
export const MID = 10;
export const LAST = 20;
/** y of a left-to-right point list at x. */
export const yAt = (edge: Rows, x: number): number => linear(edge, x);

/** The four edges (upper and lower, outer and inner), left to right, and their measures. */
export interface LipEdges {
  outerU: Point[];
  innerU: Point[];
  innerL: Point[];
  outerL: Point[];
  /** Half the width of the opening. */
  half: number;
  /** Height of the opening. */
  gap: number;
}

/** Where the lips of a pose are. */
export function lipEdges(p: MouthPose): LipEdges {
  const { open, width, round, press, tuck } = p;
  const spread = Math.max(0, width);
  const half =
    46 + 4 * SMILE * (1 - 0.6 * open) * (1 - round) + 8.5 * width - 22 * round - 7.5 * open * (1 - round) - 1.6 * press;
  const gap = Math.max(0, (36 * open + 5 * round * smooth(0, 0.15, open)) * (1 - 0.75 * press) + 5.4 * tuck);
  const raise = 2.8 * open + 1.9 * spread * smooth(0, 0.15, open) + 3.2 * tuck - 0.6 * round;
  const corner = 115.4 - 2.8 * SMILE * (1 - 0.7 * round) - 1.1 * spread + 0.4 * gap + 2 * round + 1.2 * press;
  const thickU = lerp(1, 0.6, press) * (1 - 0.14 * spread) * (1 + 0.06 * round) * (1 - 0.1 * open) * (1 - 0.06 * tuck);
  const thickL =
    lerp(1, 0.56, press) * (1 - 0.12 * spread) * (1 + 0.02 * round) * (1 - 0.08 * open) * (1 - 0.36 * tuck);
  const oval = clamp(0.85 * smooth(0.08, 0.75, open) * (1 - spread) + round * smooth(0, 0.18, open));
  const mid = CENTRE_Y - raise - 0.4 * press,
    closed = 1 - smooth(0, 0.3, open);
  const lift = 4.2 * SMILE * (1 - 0.8 * round) * (1 - 0.75 * open); // the corners turn up late
  const tilt = (u: number): number => -0.5 * u * (1 - press); // one corner a little higher
  const arch = (a: number): number => lerp(Math.pow(1 - a * a, 0.9), Math.pow(1 - Math.pow(a, 2.1), 0.64), oval);
  const e: LipEdges = { outerU: [], innerU: [], innerL: [], outerL: [], half, gap };
  const plainU: Point[] = [];
  const plainL: Point[] = [];
  for (const u of STEPS) {
    const a = Math.abs(u),
      x = u * half + 0.4,
      cy = corner + tilt(u);
    const wave =
      (1.2 * Math.exp(-(((a - 0.26) / 0.13) ** 2)) - 0.7 * Math.exp(-((a / 0.1) ** 2))) *
      closed *
      (1 - 0.7 * press) *
      (1 - 0.6 * round);
    const iu = lerp(cy, mid, lerp(1 - Math.pow(a, lerp(2.2, 1.9, open)), arch(a), oval)) - lift * smooth(0.55, 1, a);
    e.innerU.push([x, iu - wave]);
    e.innerL.push([x, iu - wave + gap * arch(a)]);
    plainU.push([x, iu]); // the outer edges know no wave
    plainL.push([x, iu + gap * arch(a)]);
  }
  // Open or rounded lips have an outer contour of their own, not a copy of the opening.
  const pad = 8.5 * round + 2 * open * (1 - round),
    own = clamp(Math.max(round, oval));
  const top = mid - 11 * thickU,
    bottom = mid + gap + 14.6 * thickL;
  for (const u of STEPS) {
    const a = Math.abs(u),
      x = u * (half + pad) + 0.4,
      cy = corner + tilt(u) - lift;
    const ring = Math.pow(1 - Math.pow(a, 2.2), 0.7);
    const bow = 1.5 * (1 - 0.8 * round) * (Math.exp(-(((a - 0.2) / 0.13) ** 2)) - 0.7 * Math.exp(-((a / 0.1) ** 2)));
    e.outerU.push([x, lerp(yAt(plainU, x) - thickU * linear(UPPER, a), lerp(cy, top, ring) - bow, own)]);
    e.outerL.push([
      x,
      lerp(yAt(plainL, x) + thickL * linear(LOWER, a), lerp(cy, bottom, Math.pow(1 - Math.pow(a, 2.3), 0.74)), own),
    ]);
  }
  return e;
}
