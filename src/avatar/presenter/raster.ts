/** SVG to pixels, and pixels over pixels. */

import sharp from 'sharp';
import type { Rect, RgbPicture } from '../source.js';
import { documentOf } from './layers.js';

// Drawings are made once and never asked for again; a second thread would only take memory.
sharp.cache(false);
sharp.concurrency(1);

/** 8-bit RGBA, alpha not premultiplied, rows without padding. */
export interface RgbaPicture {
  data: Uint8Array;
  width: number;
  height: number;
}

/** A rectangle of the canvas and its size in pixels. */
export interface Place {
  crop: Rect;
  width: number;
  height: number;
}

/**
 * Draws a place with `margin` canvas units around it that are cut off again: a blur at the end of a document mixes with
 * the nothing beyond it.
 */
export async function draw(drawing: string, { crop, width, height }: Place, margin: number): Promise<RgbaPicture> {
  const pad = Math.ceil((margin * width) / crop.width);
  const [px, py] = [(pad * crop.width) / width, (pad * crop.height) / height];
  const around = { x: crop.x - px, y: crop.y - py, width: crop.width + 2 * px, height: crop.height + 2 * py };
  const svg = documentOf(drawing, around, width + 2 * pad, height + 2 * pad);
  const { data, info } = await sharp(Buffer.from(svg), { unlimited: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return cutOut({ data, width: info.width, height: info.height }, pad);
}

/** The picture without `pad` pixels on each side. */
function cutOut(picture: RgbaPicture, pad: number): RgbaPicture {
  const [width, height] = [picture.width - 2 * pad, picture.height - 2 * pad];
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    const from = ((y + pad) * picture.width + pad) * 4;
    data.set(picture.data.subarray(from, from + width * 4), y * width * 4);
  }
  return { data, width, height };
}

/** The colours of a picture that has no transparent parts. */
export function opaque({ data, width, height }: RgbaPicture): RgbPicture {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; o < out.length; i += 4, o += 3) {
    out[o] = data[i]!;
    out[o + 1] = data[i + 1]!;
    out[o + 2] = data[i + 2]!;
  }
  return { data: out, width, height };
}

/** Lays `over` on `under`, in place; both have the same size. Returns `under`. */
export function layOver(under: RgbPicture, over: RgbaPicture): RgbPicture {
  const { data } = under;
  for (let i = 0, o = 0; o < data.length; i += 4, o += 3) {
    const alpha = over.data[i + 3]! / 255;
    if (alpha === 0) continue;
    for (let c = 0; c < 3; c++) {
      const below = data[o + c]!;
      data[o + c] = Math.round(below + (over.data[i + c]! - below) * alpha);
    }
  }
  return under;
}

/** Lets `patch` pass into `base` within `edge` pixels of its border, in place, so that no seam shows. */
export function feather(patch: RgbPicture, base: RgbPicture, edge: number): RgbPicture {
  const { data, width, height } = patch;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = Math.min(x, y, width - 1 - x, height - 1 - y) / edge;
      if (inside >= 1) continue;
      const weight = inside * inside * (3 - 2 * inside);
      for (let o = (y * width + x) * 3, c = 0; c < 3; c++, o++) {
        data[o] = Math.round(base.data[o]! + (data[o]! - base.data[o]!) * weight);
      }
    }
  }
  return patch;
}

/** A copy that may be drawn on. */
export const copyOf = ({ data, width, height }: RgbPicture): RgbPicture => ({ data: data.slice(), width, height });
