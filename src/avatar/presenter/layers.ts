/** The order of the layers, and SVG documents of some or all of them. */

import type { FacePose, MouthPose } from '../../units.js';
import { neutralFace } from '../../units.js';
import type { Rect } from '../source.js';
import { backdropDefs, backdropSvg } from './backdrop.js';
import { browsSvg } from './brows.js';
import { eyeDefs, eyesSvg } from './eyes.js';
import { cheeksSvg, earsSvg, faceDefs, headBaseSvg, noseSvg } from './face.js';
import { bodySvg, clothesDefs, garmentSvg } from './figure.js';
import { lazy } from './geometry.js';
import { hairBackSvg, hairFrontSvg, hairSideSvg } from './hair.js';
import { jawDrop } from './jaw.js';
import { mouthDefs, mouthReach, mouthSvg } from './mouth.js';
import { neckSvg } from './neck.js';
import { num, softDefs } from './paint.js';

/** Where the point between the eyes lies on the canvas. */
export const ORIGIN = { x: 640, y: 242 };

/** What does not move, from the back to the front; the neck lies before `clothes`, the head before `hair`. */
export const STILL = {
  back: lazy(() => backdropSvg() + hairBackSvg() + bodySvg()),
  clothes: lazy(() => garmentSvg() + hairSideSvg()),
  hair: lazy(hairFrontSvg),
} as const;

/** The neck, with the shadow of a chin that is `drop` lower. */
export const neck = neckSvg;
/** The head without eyes, brows and mouth, its chin `drop` lower. */
export const head = (drop: number): string => earsSvg() + headBaseSvg(drop) + cheeksSvg(drop) + noseSvg();
export const mouth = (pose: MouthPose): string => mouthSvg(pose);
/** What `mouth` draws lies within this, in canvas units. */
export function mouthBox(pose: MouthPose): { x0: number; y0: number; x1: number; y1: number } {
  const { x0, y0, x1, y1 } = mouthReach(pose);
  return { x0: ORIGIN.x + x0, y0: ORIGIN.y + y0, x1: ORIGIN.x + x1, y1: ORIGIN.y + y1 };
}
export const eyes = (pose: FacePose['eyes']): string => eyesSvg(pose);
export const brows = (pose: FacePose['brows']): string => browsSvg(pose);

/** Everything, for a pose of the face. */
export function portrait(face: FacePose = neutralFace()): string {
  const drop = jawDrop(face.mouth);
  const features = eyes(face.eyes) + brows(face.brows) + mouth(face.mouth);
  return STILL.back() + neck(drop) + STILL.clothes() + head(drop) + features + STILL.hair();
}

const gradients = lazy(() => backdropDefs() + clothesDefs() + faceDefs() + eyeDefs() + mouthDefs());

/** An SVG document of `drawing` that shows `view` (canvas units) on `width` × `height` pixels. */
export function documentOf(drawing: string, view: Rect, width: number, height: number): string {
  const box = [view.x, view.y, view.width, view.height].map((v) => String(Math.round(v * 1e5) / 1e5)).join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${num(width)}" height="${num(height)}" viewBox="${box}" preserveAspectRatio="none">
<defs>${softDefs(drawing)}${gradients()}</defs><g transform="translate(${ORIGIN.x} ${ORIGIN.y})">${drawing}</g></svg>`;
}
