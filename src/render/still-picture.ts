import { rgbToI420 } from '../avatar/bake-colour.js';
import { loadSharp } from '../avatar/load-sharp.js';
import { DhError } from '../errors.js';
import { NativePicture } from '../frames/native-picture.js';
import type { Caption } from './captions.js';

/** Largest picture that is decoded: 100 megapixels. */
const MAX_PIXELS = 100e6;

/** Checks that a picture can be read. Throws DhError `clips_invalid` that says why not. */
export async function checkPicture(path: string): Promise<void> {
  const sharp = await loadSharp();
  try {
    const { width, height } = await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata();
    if (!width || !height) throw new Error('it has no size');
  } catch (error) {
    throw new DhError('clips_invalid', `the picture ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
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
    const input = await drawing.removeAlpha().raw().toBuffer();
    drawing = sharp(input, { raw: { width, height, channels: 3 } }).composite([overlay]);
  }
  const data = await drawing.removeAlpha().raw().toBuffer();
  const picture = new NativePicture(width, height);
  rgbToI420({ data, width, height }, picture);
  return picture;
}
