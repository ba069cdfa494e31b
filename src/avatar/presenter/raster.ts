/** SVG to pixels, and pixels over pixels. */

import { loadSharp } from '../load-sharp.js';
import type { Rect, RgbPicture } from '../source.js';
import { documentOf } from './layers.js';

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
  const sharp = await loadSharp();
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

/** Lays `over`, if there is any, on `under` with its corner at x, y, in place; it lies within. Returns `under`. */
export function layOver(under: RgbPicture, over: RgbaPicture | undefined, x = 0, y = 0): RgbPicture {
  if (!over) return under;
  const { data, width } = under;
  for (let row = 0, i = 0; row < over.height; row++) {
    let o = ((y + row) * width + x) * 3;
    for (let column = 0; column < over.width; column++, i += 4, o += 3) {
      const alpha = over.data[i + 3]! / 255;
      if (alpha === 0) continue;
      const rest = 1 - alpha;
      // Stored as whole numbers, so the half rounds.
      data[o] = over.data[i]! * alpha + data[o]! * rest + 0.5;
      data[o + 1] = over.data[i + 1]! * alpha + data[o + 1]! * rest + 0.5;
      data[o + 2] = over.data[i + 2]! * alpha + data[o + 2]! * rest + 0.5;
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

/** A black picture for a place. */
export const blank = ({ width, height }: Place): RgbPicture => ({
  data: new Uint8Array(width * height * 3),
  width,
  height,
});

/** Whether every pixel is transparent. */
export function isEmpty({ data }: RgbaPicture): boolean {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) return false;
  return true;
}

/** The part of a place, in whole pixels from its corner, that holds the box `x0`…`y1` of the canvas. */
export function partOf(
  { crop, width, height }: Place,
  box: { x0: number; y0: number; x1: number; y1: number },
): { part: Place; x: number; y: number } {
  const [sx, sy] = [width / crop.width, height / crop.height];
  const within = (v: number, end: number): number => Math.min(end, Math.max(0, v));
  const x = within(Math.floor((box.x0 - crop.x) * sx), width - 1);
  const y = within(Math.floor((box.y0 - crop.y) * sy), height - 1);
  const w = within(Math.ceil((box.x1 - crop.x) * sx), width) - x;
  const h = within(Math.ceil((box.y1 - crop.y) * sy), height) - y;
  const [partWidth, partHeight] = [Math.max(1, w), Math.max(1, h)];
  const part = { x: crop.x + x / sx, y: crop.y + y / sy, width: partWidth / sx, height: partHeight / sy };
  return { part: { crop: part, width: partWidth, height: partHeight }, x, y };
}
