/** Which part of the canvas an output shows. */

import type { Rect } from '../source.js';
import { linear, type Rows } from './geometry.js';
import { ORIGIN } from './layers.js';

// By the logarithm of width / height: from a standing phone to a wide screen.
const at = (aspect: number, value: number): [number, number] => [Math.log(aspect), value];
const HEIGHT: Rows = [at(9 / 16, 1180), at(3 / 4, 860), at(1, 660), at(4 / 3, 690), at(16 / 9, 720)];
const TOP: Rows = [at(9 / 16, -120), at(3 / 4, -50), at(1, -8), at(4 / 3, -4), at(16 / 9, 0)];

/** As `AvatarSource.view`. Throws RangeError unless `aspect` is positive. */
export function viewOf(aspect: number): Rect {
  if (!(aspect > 0) || !Number.isFinite(aspect)) throw new RangeError(`an aspect is positive, not ${aspect}`);
  // Beyond what is drawn the view comes nearer instead of showing an end of the room.
  const height = Math.min(linear(HEIGHT, Math.log(aspect)), 1900 / aspect);
  const top = linear(TOP, Math.log(aspect));
  const width = height * aspect;
  return { x: ORIGIN.x - width / 2, y: top, width, height };
}
