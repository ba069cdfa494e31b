/**
 * Draws the patches of the face. What lies under a feature is drawn once for each place, size and chin, and kept for the
 * patches that follow; only the feature itself is drawn for every pose.
 */

import { LRUCache } from 'lru-cache';
import type { Rect, RegionName, RgbPicture } from '../source.js';
import { neutralFace } from '../../units.js';
import { jawDrop } from './jaw.js';
import { brows, eyes, head, mouth, mouthBox, neck, STILL } from './layers.js';
import { BROWS, EYES, MOUTHS } from './poses.js';
import {
  blank,
  copyOf,
  draw,
  feather,
  isEmpty,
  layOver,
  opaque,
  partOf,
  type Place,
  type RgbaPicture,
} from './raster.js';

const REST = neutralFace();

/** Width of the border in which a patch passes into the base, in canvas units. */
const EDGE = { mouth: 6, eyes: 4, brows: 3 } as const;

/** Reach of the blurs in each kind of layer, in canvas units. */
const MARGIN = { still: 50, skin: 28, features: 8 } as const;

/** Pixels kept, in bytes: the layers under one region at 1080p, a face for each chin among them. */
const KEPT_BYTES = 8 * 1024 * 1024;
const kept = new LRUCache<string, Promise<RgbaPicture | RgbPicture | undefined>>({ maxSize: KEPT_BYTES });

/** What `make` gives, drawn once while it is kept. Not to be drawn on. */
function keep<T extends RgbaPicture | RgbPicture | undefined>(
  name: string,
  { crop, width, height }: Place,
  make: () => Promise<T>,
): Promise<T> {
  const key = `${name} ${crop.x} ${crop.y} ${crop.width} ${crop.height} ${width} ${height}`;
  const known = kept.get(key) as Promise<T> | undefined;
  if (known) return known;
  const made = make();
  kept.set(key, made, { size: width * height * 4 });
  made.catch(() => kept.delete(key));
  return made;
}

/** A layer that does not move; undefined when there is nothing of it at this place. */
const stillAt = (layer: keyof typeof STILL, place: Place): Promise<RgbaPicture | undefined> =>
  keep(layer, place, async () => {
    const picture = await draw(STILL[layer](), place, MARGIN.still);
    return isEmpty(picture) ? undefined : picture;
  });

/** The picture at a place without eyes, brows, mouth and the hair before them. */
const faceAt = (place: Place, drop: number): Promise<RgbPicture> =>
  keep(`face ${drop.toFixed(3)}`, place, async () => {
    const back = await stillAt('back', place);
    const picture = back ? opaque(back) : blank(place);
    layOver(picture, await draw(neck(drop), place, MARGIN.skin));
    layOver(picture, await stillAt('clothes', place));
    return layOver(picture, await draw(head(drop), place, MARGIN.skin));
  });

/** The face at rest with some of its features drawn on it. */
const restAt = (place: Place, name: string, features: string): Promise<RgbPicture> =>
  keep(name, place, async () =>
    layOver(copyOf(await faceAt(place, jawDrop(REST.mouth))), await draw(features, place, MARGIN.features)),
  );

/** The face at rest, everything drawn. */
const neutralAt = (place: Place): Promise<RgbPicture> =>
  keep('neutral', place, async () => {
    const all = eyes(REST.eyes) + brows(REST.brows) + mouth(REST.mouth);
    return layOver(copyOf(await restAt(place, 'features', all)), await stillAt('hair', place));
  });

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
  const { under, over, box } = layersOf(region, index);
  const { part, x, y } = box ? partOf(place, box) : { part: place, x: 0, y: 0 };
  const picture = layOver(copyOf(await under(place)), await draw(over, part, MARGIN.features), x, y);
  layOver(picture, await stillAt('hair', place));
  return feather(picture, await neutralAt(place), EDGE[region] / sx);
}

/** A picture, and what is drawn on it, within `box` (canvas units) if that is small. */
interface Layers {
  under: (place: Place) => Promise<RgbPicture>;
  over: string;
  box?: { x0: number; y0: number; x1: number; y1: number };
}

/** What moves in a pose, and the picture that it lies on. */
function layersOf(region: RegionName, index: number): Layers {
  const missing = (): never => {
    throw new RangeError(`the presenter has no pose ${index} of ${region}`);
  };
  switch (region) {
    case 'mouth': {
      const pose = MOUTHS[index] ?? missing();
      return { under: (place) => faceAt(place, jawDrop(pose)), over: mouth(pose), box: mouthBox(pose) };
    }
    case 'eyes':
      return {
        under: (place) => restAt(place, 'brows', brows(REST.brows)),
        over: eyes(EYES[index] ?? missing()),
      };
    case 'brows':
      return {
        under: (place) => restAt(place, 'eyes', eyes(REST.eyes)),
        over: brows(BROWS[index] ?? missing()),
      };
  }
}
