import type { I420Frame } from '../units.js';

/*
 * Two rows at the top of the picture, 20 cells each, every cell 1/20 of the width and of the height:
 *   white black | 16 bits | black white
 * The 32 bits are the frame number (24, highest first) and a checksum (8). The outer cells tell the reader where white
 * and black are; all of it is relative to the size, so it survives scaling.
 */
const CELLS = 20;
const ROWS = 2;
const WHITE = 235;
const BLACK = 16;
/** Frame numbers are drawn modulo this. */
export const TIME_CODE_MODULO = 2 ** 24;

/** Draws `n` (modulo 2²⁴) as black and white blocks over the top tenth of the picture. */
export function drawTimeCode(frame: I420Frame, n: number): void {
  const { width, height } = frame;
  const number = ((n % TIME_CODE_MODULO) + TIME_CODE_MODULO) % TIME_CODE_MODULO;
  const bits = ((number << 8) | checksum(number)) >>> 0;
  const cellHeight = height / CELLS;
  for (let row = 0; row < ROWS; row++) {
    const top = Math.round(row * cellHeight);
    const bottom = Math.round((row + 1) * cellHeight);
    for (let cell = 0; cell < CELLS; cell++) {
      const left = Math.round((cell * width) / CELLS);
      const right = Math.round(((cell + 1) * width) / CELLS);
      const value = isWhite(bits, row, cell) ? WHITE : BLACK;
      for (let y = top; y < bottom; y++) frame.y.fill(value, y * frame.strideY + left, y * frame.strideY + right);
    }
  }
  const chromaRows = Math.ceil(Math.round(ROWS * cellHeight) / 2);
  for (let y = 0; y < chromaRows; y++) {
    frame.u.fill(128, y * frame.strideUV, y * frame.strideUV + width / 2);
    frame.v.fill(128, y * frame.strideUV, y * frame.strideUV + width / 2);
  }
}

function isWhite(bits: number, row: number, cell: number): boolean {
  if (cell === 0 || cell === CELLS - 1) return true;
  if (cell === 1 || cell === CELLS - 2) return false;
  return ((bits >>> (31 - (row * 16 + cell - 2))) & 1) === 1;
}

function checksum(number: number): number {
  let crc = 0x5a;
  for (let bit = 23; bit >= 0; bit--) {
    const top = (crc >>> 7) & 1;
    crc = (crc << 1) & 0xff;
    if ((top ^ ((number >>> bit) & 1)) === 1) crc ^= 0x07;
  }
  return crc;
}

/**
 * Reads a drawn frame number back from luma (one byte a pixel) or RGBA of the whole picture at any size, or null when
 * there is none. Self-contained on purpose: its source text can be evaluated in a web page.
 *
 * `stride` is the distance of rows in bytes, when rows are padded (luma only: RGBA is told by its length otherwise).
 */
export function readTimeCode(pixels: ArrayLike<number>, width: number, height: number, stride?: number): number | null {
  const step = stride === undefined && pixels.length >= width * height * 4 ? 4 : 1;
  const pitch = stride ?? width * step;
  const levels = new Float64Array(40);
  for (let row = 0; row < 2; row++) {
    for (let cell = 0; cell < 20; cell++) {
      // The middle half of the cell: its border is blurred by scaling and compression.
      const left = Math.floor(((cell + 0.25) * width) / 20);
      const right = Math.max(left + 1, Math.ceil(((cell + 0.75) * width) / 20));
      const top = Math.floor(((row + 0.25) * height) / 20);
      const bottom = Math.max(top + 1, Math.ceil(((row + 0.75) * height) / 20));
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        // With RGBA this is green, which carries most of the luma.
        for (let x = left; x < right; x++) sum += Number(pixels[y * pitch + x * step + (step === 4 ? 1 : 0)]);
      }
      levels[row * 20 + cell] = sum / ((right - left) * (bottom - top));
    }
  }
  const white = Math.min(Number(levels[0]), Number(levels[19]), Number(levels[20]), Number(levels[39]));
  const black = Math.max(Number(levels[1]), Number(levels[18]), Number(levels[21]), Number(levels[38]));
  if (!(white - black > 60)) return null;
  let number = 0;
  let crc = 0x5a;
  for (let bit = 0; bit < 24; bit++) {
    const value = Number(levels[bit < 16 ? bit + 2 : bit - 16 + 22]) > (white + black) / 2 ? 1 : 0;
    number = number * 2 + value;
    const flip = ((crc >>> 7) & 1) ^ value;
    crc = ((crc << 1) & 0xff) ^ (flip === 1 ? 0x07 : 0);
  }
  let found = 0;
  for (let bit = 8; bit < 16; bit++) {
    found = found * 2 + (Number(levels[bit + 22]) > (white + black) / 2 ? 1 : 0);
  }
  return found === crc ? number : null;
}
