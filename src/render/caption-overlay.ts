import type { I420Frame } from '../units.js';
import { drawCaption } from './caption-picture.js';
import type { CaptionSpan } from './captions.js';
import type { PartJob } from './part-job.js';

/** A text as it is laid over a picture: luma, chroma and how much of it is seen. */
interface Overlay {
  left: number;
  top: number;
  width: number;
  height: number;
  rgba: Uint8Array;
}

/** Lays captions over moving pictures. All captions of a part are drawn beforehand; one at a time is kept blended. */
export class CaptionOverlay {
  readonly #spans: readonly CaptionSpan[];
  readonly #overlays: ReadonlyMap<string, Overlay>;

  private constructor(spans: readonly CaptionSpan[], overlays: ReadonlyMap<string, Overlay>) {
    this.#spans = spans;
    this.#overlays = overlays;
  }

  /** Null when the part has no captions. */
  static async open({ captions, fontFile, output }: PartJob): Promise<CaptionOverlay | null> {
    if (captions.length === 0) return null;
    const overlays = new Map<string, Overlay>();
    for (const { text } of captions) {
      if (overlays.has(text)) continue;
      const { input, left, top, raw } = await drawCaption({ text, fontFile }, output.width, output.height);
      overlays.set(text, { left, top, width: raw.width, height: raw.height, rgba: input });
    }
    return new CaptionOverlay(captions, overlays);
  }

  /** Draws what is to be read at a sample of the whole. */
  draw(frame: I420Frame, sample: number): void {
    const span = this.#spans.find(({ startSample, endSample }) => startSample <= sample && sample < endSample);
    const overlay = span && this.#overlays.get(span.text);
    if (overlay) blend(frame, overlay);
  }
}

/** White letters and black edges: only luma has a colour, chroma goes towards grey. */
function blend(frame: I420Frame, { left, top, width, height, rgba }: Overlay): void {
  for (let row = 0; row < height; row++) {
    const y = top + row;
    if (y < 0 || y >= frame.height) continue;
    for (let column = 0; column < width; column++) {
      const x = left + column;
      const at = 4 * (row * width + column);
      const alpha = rgba[at + 3]!;
      if (alpha === 0 || x < 0 || x >= frame.width) continue;
      const luma = 16 + (rgba[at]! * 219) / 255;
      const p = y * frame.strideY + x;
      frame.y[p] = frame.y[p]! + ((luma - frame.y[p]!) * alpha) / 255;
      if ((x | y) & 1) continue;
      const c = (y >> 1) * frame.strideUV + (x >> 1);
      frame.u[c] = frame.u[c]! + ((128 - frame.u[c]!) * alpha) / 255;
      frame.v[c] = frame.v[c]! + ((128 - frame.v[c]!) * alpha) / 255;
    }
  }
}
