import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import type { Sharp } from 'sharp';
import { rgbToI420 } from '../avatar/bake-colour.js';
import { loadSharp } from '../avatar/load-sharp.js';
import { DhError } from '../errors.js';
import { NativePicture } from '../frames/native-picture.js';
import type { Caption } from './captions.js';
import { svgCost } from './svg-cost.js';

/** Largest picture that is decoded: 100 megapixels. */
const MAX_PIXELS = 100e6;
/** Most elements of an SVG, and its most bytes: drawing that takes some seconds. */
const MAX_SVG_ELEMENTS = 50_000;
const MAX_SVG_BYTES = 32e6;

/** Checks that a picture can be read. Throws DhError `clips_invalid` that says why not. */
export async function checkPicture(path: string): Promise<void> {
  const sharp = await loadSharp();
  try {
    const { width, height, format } = await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata();
    if (!width || !height) throw new Error('it has no size');
    if (format === 'svg') await checkSvg(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function checkSvg(path: string): Promise<void> {
  const bytes = await readFile(path);
  const gzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = (gzip ? gunzipSync(bytes, { maxOutputLength: MAX_SVG_BYTES }) : bytes).toString('latin1');
  if (text.length > MAX_SVG_BYTES) throw new Error(`it is larger than ${MAX_SVG_BYTES / 1e6} MB`);
  if (svgCost(text) > MAX_SVG_ELEMENTS)
    throw new Error(`more than ${MAX_SVG_ELEMENTS} elements would have to be drawn`);
}

function unreadable(path: string, cause: unknown): DhError {
  return new DhError('clips_invalid', `the picture ${path} cannot be read: ${(cause as Error).message}`, { cause });
}

/** What is to be seen: a picture file (null: black), and perhaps a line of text on it. */
export interface StillSpec {
  image: string | null;
  caption: Caption | null;
}

/**
 * Draws a still picture of a size: the file, whole and undistorted, the rest black, and the caption's picture at its
 * bottom. The caller closes it.
 */
export async function drawStill({ image, caption }: StillSpec, width: number, height: number): Promise<NativePicture> {
  const sharp = await loadSharp();
  const background = { r: 0, g: 0, b: 0 };
  let drawing =
    image === null
      ? sharp({ create: { width, height, channels: 3, background } })
      : sharp(image, { limitInputPixels: MAX_PIXELS })
          .rotate()
          .flatten({ background })
          .toColourspace('srgb')
          .resize(width, height, { fit: 'contain', background });
  if (caption) {
    const { drawCaption } = await import('./caption-picture.js');
    const overlay = await drawCaption(caption, width, height);
    const input = await pixelsOf(drawing, image);
    drawing = sharp(input, { raw: { width, height, channels: 3 } }).composite([overlay]);
  }
  const data = await pixelsOf(drawing, image);
  const picture = new NativePicture(width, height);
  rgbToI420({ data, width, height }, picture);
  return picture;
}

/** What was wrong with a picture only shows when it is drawn, as with one that was cut off. */
async function pixelsOf(drawing: Sharp, image: string | null): Promise<Buffer> {
  try {
    return await drawing.removeAlpha().raw().toBuffer();
  } catch (cause) {
    throw image === null ? cause : unreadable(image, cause);
  }
}
