import type { FacePose, I420Frame } from '../units.js';
import type { BakedAvatar } from './baked.js';
import { FaceCanvas } from './engine/canvas.js';
import { MotionField } from './engine/field.js';
import { Warp } from './engine/warp.js';

/** Draws poses of one avatar. One per session: it remembers the last pose, but no pixels that a session owns. */
export interface AvatarEngine {
  /**
   * Draws a pose into a picture of exactly `pictureWidth` × `pictureHeight` (a part of a larger one, by its strides,
   * is fine). `frame` is the number of the picture, for idle loops; without it every call shows the next picture.
   * Allocates nothing. Throws RangeError for a picture of another size.
   */
  draw(pose: FacePose, out: I420Frame, frame?: number): void;
  readonly pictureWidth: number;
  readonly pictureHeight: number;
  /** Memory of its own, without the shared baked avatar. */
  readonly bytes: number;
}

/** Makes an engine. The baked avatar is shared and only read. */
export function createEngine(baked: BakedAvatar): AvatarEngine {
  return new Engine(baked);
}

class Engine implements AvatarEngine {
  readonly pictureWidth: number;
  readonly pictureHeight: number;
  readonly bytes: number;
  readonly #canvas: FaceCanvas;
  readonly #field: MotionField;
  readonly #warp: Warp;
  readonly #baseCount: number;
  #next = 0;

  constructor(baked: BakedAvatar) {
    this.pictureWidth = baked.pictureWidth;
    this.pictureHeight = baked.pictureHeight;
    this.#baseCount = baked.bases.length;
    const first = baked.bases[0];
    if (!first) throw new RangeError('A baked avatar has at least one base.');
    this.#field = new MotionField(baked);
    this.#warp = new Warp(first, this.#field);
    this.#canvas = new FaceCanvas(baked, this.#warp.canvas);
    this.bytes = this.#warp.bytes;
  }

  draw(pose: FacePose, out: I420Frame, frame: number = this.#next): void {
    if (out.width !== this.pictureWidth || out.height !== this.pictureHeight) {
      throw new RangeError(
        `The picture is ${out.width} × ${out.height}, not ${this.pictureWidth} × ${this.pictureHeight}.`,
      );
    }
    this.#next = frame + 1;
    this.#canvas.draw(pose, this.#baseCount > 1 ? frame % this.#baseCount : 0);
    if (this.#field.update(pose)) this.#warp.draw(out);
    else this.#warp.copy(out);
  }
}
