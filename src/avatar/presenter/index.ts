/** The presenter that comes with dh-live: a portrait that is drawn, not photographed. */

import { createHash } from 'node:crypto';
import type { AvatarSource, Rect } from '../source.js';
import { neutralFace } from '../../units.js';
import { lazy } from './geometry.js';
import { eyes, mouth, ORIGIN, portrait } from './layers.js';
import { drawPatch } from './patches.js';
import { BROWS, EYES, MOUTHS } from './poses.js';
import { draw, opaque } from './raster.js';
import { viewOf } from './view.js';

/** Goes up when figure, hair, face or backdrop change: the hash below sees only poses, mouth and eyes. */
const VERSION = 3;

/** Reach of the blurs at the end of the picture, in canvas units. */
const BASE_MARGIN = 24;

/** A rectangle from face coordinates. */
const onCanvas = (x0: number, y0: number, x1: number, y1: number): Rect => ({
  x: ORIGIN.x + x0,
  y: ORIGIN.y + y0,
  width: x1 - x0,
  height: y1 - y0,
});

const fingerprint = lazy(() => {
  const hash = createHash('sha256').update(String(VERSION));
  const rest = neutralFace();
  for (const pose of MOUTHS) hash.update(JSON.stringify(pose));
  hash.update(JSON.stringify([EYES, BROWS]));
  hash
    .update(mouth(MOUTHS[0]!))
    .update(mouth(MOUTHS.at(-1)!))
    .update(eyes(rest.eyes));
  return `presenter-${VERSION}-${hash.digest('hex').slice(0, 16)}`;
});

/** The built-in presenter. */
export const presenter: AvatarSource = {
  name: 'presenter',
  title: 'Presenter',
  get fingerprint() {
    return fingerprint();
  },
  anchors: {
    head: { x: ORIGIN.x, y: ORIGIN.y + 20, rx: 205, ry: 250 },
    pivot: { x: ORIGIN.x, y: ORIGIN.y + 262 },
    chest: { x: ORIGIN.x, y: ORIGIN.y + 400, rx: 300, ry: 150 },
  },
  regions: {
    mouth: { rect: onCanvas(-118, 62, 118, 274), poses: MOUTHS },
    eyes: { rect: onCanvas(-104, -24, 104, 36), poses: EYES },
    brows: { rect: onCanvas(-114, -62, 114, -24), poses: BROWS },
  },
  view: viewOf,
  drawBase: async (view, width, height) => opaque(await draw(portrait(), { crop: view, width, height }, BASE_MARGIN)),
  drawPatch,
};
