import type { Closable, I420Frame } from '../units.js';
import { Fit } from './fit.js';
import { NativePicture } from './native-picture.js';
import { crossFade, eased256 } from './states.js';

/**
 * A cross-fade from the last frame of what was shown before (another avatar, another size) to what is drawn now. It
 * owns a copy of that frame, letterboxed into the new size.
 */
export class Transition implements Closable {
  readonly #from: NativePicture;
  readonly #frames: number;
  #blended = 0;

  /**
   * @param last the frame that was shown last; only read during the call
   * @param frames how many frames are mixed, at least 1
   */
  constructor(last: I420Frame, { width, height }: { width: number; height: number }, frames: number) {
    this.#from = new NativePicture(width, height);
    this.#frames = frames;
    const fit = new Fit();
    fit.fitInto(last, this.#from);
    fit.close();
  }

  get bytes(): number {
    return this.#from.bytes;
  }

  /** Mixes the next frame, in place. @returns whether that was the last one */
  blend(frame: I420Frame): boolean {
    this.#blended += 1;
    crossFade(this.#from, frame, eased256(this.#blended / (this.#frames + 1)), frame);
    return this.#blended >= this.#frames;
  }

  close(): void {
    this.#from.close();
  }
}
