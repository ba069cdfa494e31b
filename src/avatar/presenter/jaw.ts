/** The jaw: how a mouth pose moves the chin and the skin with it. */

import type { MouthPose } from '../../units.js';
import { smooth, type Point } from './geometry.js';

/** Canvas units that the chin of a pose moves down. */
export const jawDrop = (p: MouthPose): number => 23 * p.open * (1 - 0.5 * p.tuck);

/** Where a point of the face's skin goes for a jaw drop. */
export function jawShift([x, y]: Point, drop: number): Point {
  const s = smooth(88, 158, y) * (1 - 0.86 * smooth(58, 126, Math.abs(x)));
  return [x * (1 - 0.0011 * drop * s), y + drop * s];
}
