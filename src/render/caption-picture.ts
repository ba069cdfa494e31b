import { loadSharp } from '../avatar/load-sharp.js';
import { fontName, missingLetters } from './caption-font.js';
import type { Caption } from './captions.js';

/** A drawn text with transparent surroundings, and where it goes; what sharp's `composite` takes. */
export interface CaptionPicture {
  input: Buffer;
  raw: { width: number; height: number; channels: 4 };
  left: number;
  top: number;
}

/** Height of a line, and the distance from the lower edge, as shares of the picture's height. */
const LINE_SHARE = 0.055;
const MARGIN_SHARE = 0.05;
const WIDTH_SHARE = 0.86;
/** One pixel that is not seen. */
const NOTHING: CaptionPicture = {
  input: Buffer.alloc(4),
  raw: { width: 1, height: 1, channels: 4 },
  left: 0,
  top: 0,
};

/**
 * Draws a caption for a picture of a size: white with a dark edge, at the bottom, in the middle. Letters that the font
 * lacks are left out (never drawn as boxes); `missingLetters` tells them beforehand.
 */
export async function drawCaption({ text, fontFile }: Caption, width: number, height: number): Promise<CaptionPicture> {
  const missing = new Set(await missingLetters(text, fontFile));
  const shown = [...text].filter((letter) => !missing.has(letter)).join('');
  if (shown.trim() === '') return NOTHING;
  const sharp = await loadSharp();
  const edge = Math.max(1, Math.round(height / 270));
  const { data: letters, info } = await sharp({
    text: {
      text: escapeMarkup(shown),
      font: `${await fontName(fontFile)} ${Math.max(6, Math.round(height * LINE_SHARE * 0.72))}px`,
      fontfile: fontFile,
      width: Math.round(width * WIDTH_SHARE),
      align: 'centre',
      dpi: 72,
      rgba: false,
      wrap: 'word-char',
    },
  })
    .extractChannel(0)
    .extend({ top: 2 * edge, bottom: 2 * edge, left: 2 * edge, right: 2 * edge, background: { r: 0, g: 0, b: 0 } })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const mask = { width: info.width, height: info.height, channels: 1 as const };
  const shadow = await sharp(letters, { raw: mask }).blur(edge).linear(2.6, 0).extractChannel(0).raw().toBuffer();
  const input = Buffer.alloc(info.width * info.height * 4);
  for (let i = 0; i < letters.length; i++) {
    const letter = letters[i]!;
    input[4 * i] = input[4 * i + 1] = input[4 * i + 2] = letter;
    input[4 * i + 3] = Math.max(letter, shadow[i]!);
  }
  return {
    input,
    raw: { width: info.width, height: info.height, channels: 4 },
    left: Math.max(0, Math.round((width - info.width) / 2)),
    top: Math.max(0, Math.round(height * (1 - MARGIN_SHARE)) - info.height),
  };
}

function escapeMarkup(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
