/**
 * Draws the patches of the face. What lies under a feature is drawn once for each place, size and chin, and kept for the
 * patches that follow; only the feature itself is drawn for every pose.
 */

import { LRUCache } from 'lru-cache';
import type { Rect, RegionName, RgbPicture } from '../source.js';
import { neutralFace } from '../../units.js';
import { jawDrop } from './jaw.js';
import { brows, eyes, head, mouth, neck, STILL } from './layers.js';
import { BROWS, EYES, MOUTHS } from './poses.js';
import { copyOf, draw, feather, layOver, opaque, type Place, type RgbaPicture } from './raster.js';

/** Width of the border in which a patch passes into the base, in canvas units. */
const EDGE = { mouth: 6, eyes: 4, brows: 3 } as const;

/** Reach of the blurs in each kind of layer, in canvas units. */
const MARGIN = { still: 50, skin: 36, features: 8 } as const;

// Enough for one region: four layers, the neutral face, and a face for each chin.
const kept = new LRUCache<string, Promise<RgbaPicture | RgbPicture>>({ max: 24 });

/** What `make` gives, drawn once while it is kept. */
function keep<T extends RgbaPicture | RgbPicture>(key: string, make: () => Promise<T>): Promise<T> {
  const known = kept.get(key) as Promise<T> | undefined;
  if (known) return known;
  const made = make();
  kept.set(key, made);
  made.catch(() => kept.delete(key));
  return made;
}

const nameOf = (name: string, { crop, width, height }: Place): string =>
  `${name} ${crop.x} ${crop.y} ${crop.width} ${crop.height} ${width} ${height}`;

/** The picture at a place without eyes, brows, mouth and the hair before them. Not to be drawn on. */
const faceAt = (place: Place, drop: number): Promise<RgbPicture> =>
  keep(nameOf(`face ${drop.toFixed(3)}`, place), async () => {
    const still = (layer: keyof typeof STILL): Promise<RgbaPicture> =>
      keep(nameOf(layer, place), () => draw(STILL[layer](), place, MARGIN.still));
    const picture = opaque(await still('back'));
    layOver(picture, await draw(neck(drop), place, MARGIN.skin));
    layOver(picture, await still('clothes'));
    return layOver(picture, await draw(head(drop), place, MARGIN.skin));
  });

const hairAt = (place: Place): Promise<RgbaPicture> =>
  keep(nameOf('hair', place), () => draw(STILL.hair(), place, MARGIN.still));

/** The face at a place with some features drawn on it. */
async function featured(place: Place, drop: number, features: string): Promise<RgbPicture> {
  const picture = layOver(copyOf(await faceAt(place, drop)), await draw(features, place, MARGIN.features));
  return layOver(picture, await hairAt(place));
}

const neutralAt = (region: RegionName, place: Place): Promise<RgbPicture> => {
  const face = neutralFace();
  const all = eyes(face.eyes) + brows(face.brows) + mouth(face.mouth);
  return keep(nameOf(`neutral ${region}`, place), () => featured(place, jawDrop(face.mouth), all));
};

/** As `AvatarSource.drawPatch`. Throws RangeError when there is no such pose. */
export async function drawPatch(
  region: RegionName,
  index: number,
  at: Rect,
  view: Rect,
  width: number,
  height: number,
): Promise<RgbPicture> {
  const [sx, sy] = [view.width / width, view.height / height];
  const crop = { x: view.x + at.x * sx, y: view.y + at.y * sy, width: at.width * sx, height: at.height * sy };
  const place: Place = { crop, width: at.width, height: at.height };
  const { features, drop } = poseOf(region, index);
  const picture = await featured(place, drop, features);
  return feather(picture, await neutralAt(region, place), EDGE[region] / sx);
}

/** What is drawn for a pose, and how far the chin is down. */
function poseOf(region: RegionName, index: number): { features: string; drop: number } {
  const missing = (): never => {
    throw new RangeError(`the presenter has no pose ${index} of ${region}`);
  };
  const rest = neutralFace();
  switch (region) {
    case 'mouth': {
      const pose = MOUTHS[index] ?? missing();
      return { features: mouth(pose), drop: jawDrop(pose) };
    }
    case 'eyes':
      return { features: eyes(EYES[index] ?? missing()) + brows(rest.brows), drop: jawDrop(rest.mouth) };
    case 'brows':
      return { features: eyes(rest.eyes) + brows(BROWS[index] ?? missing()), drop: jawDrop(rest.mouth) };
  }
}
