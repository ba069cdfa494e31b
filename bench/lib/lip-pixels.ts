/** Reads openness from drawn pictures: how much of the dark inside of the mouth is seen. */
import { bakeAvatar } from '../../src/avatar/bake.js';
import { createEngine, type AvatarEngine } from '../../src/avatar/engine.js';
import { presenter } from '../../src/avatar/presenter/index.js';
import { neutralFace, type FacePose, type I420Frame, type MouthPose } from '../../src/units.js';

/** The window in the mouth's rectangle where the inside can be, in shares of its sides. */
const WINDOW = { left: 0.2, right: 0.8, top: 0.204, bottom: 0.5 };
/** Still pictures, from shut to open, that the area is calibrated with. */
const STEPS = 41;

/** Draws poses of the built-in presenter and measures them. Head, eyes and brows are at rest. */
export class LipPixels {
  readonly #engine: AvatarEngine;
  readonly #out: I420Frame;
  readonly #face: FacePose = neutralFace();
  /** In chroma pixels. */
  readonly #window: { left: number; right: number; top: number; bottom: number };
  /** Area of a still mouth by openness, rising. */
  readonly #scale: number[] = [];

  private constructor(engine: AvatarEngine, mouth: { x: number; y: number; width: number; height: number }) {
    const { pictureWidth: width, pictureHeight: height } = engine;
    this.#engine = engine;
    this.#out = {
      width,
      height,
      y: new Uint8Array(width * height),
      u: new Uint8Array((width * height) / 4),
      v: new Uint8Array((width * height) / 4),
      strideY: width,
      strideUV: width / 2,
    };
    this.#window = {
      left: Math.round((mouth.x + WINDOW.left * mouth.width) / 2),
      right: Math.round((mouth.x + WINDOW.right * mouth.width) / 2),
      top: Math.round((mouth.y + WINDOW.top * mouth.height) / 2),
      bottom: Math.round((mouth.y + WINDOW.bottom * mouth.height) / 2),
    };
    for (let step = 0; step < STEPS; step++) {
      const area = this.#dark({ ...neutralFace().mouth, open: step / (STEPS - 1) });
      this.#scale.push(Math.max(area, (this.#scale.at(-1) ?? 0) + 1e-6));
    }
  }

  /** Bakes the presenter, or takes it from `cacheDir`. */
  static async load(cacheDir: string | null): Promise<LipPixels> {
    const baked = await bakeAvatar(presenter, { width: 1280, height: 720, cacheDir });
    const mouth = baked.regions.find(({ name }) => name === 'mouth');
    if (mouth === undefined) throw new Error('The presenter has no mouth.');
    return new LipPixels(createEngine(baked), mouth.rect);
  }

  /** Openness 0…1 as it is seen in the picture of a pose. */
  measure(pose: MouthPose): number {
    const area = this.#dark(pose);
    const scale = this.#scale;
    if (area <= scale[0]!) return 0;
    const above = scale.findIndex((value) => value >= area);
    if (above < 0) return 1;
    const low = scale[above - 1]!;
    return (above - 1 + (area - low) / (scale[above]! - low)) / (STEPS - 1);
  }

  /**
   * Area of the dark inside of the mouth in the window. It is less red than skin and lips (Cr below 149; skin has 148 to
   * 156, lips 157 to 165) and dark, which teeth are not; both softly, so that a part of a pixel counts as a part.
   */
  #dark(pose: MouthPose): number {
    Object.assign(this.#face.mouth, pose);
    this.#engine.draw(this.#face, this.#out, 0);
    const { y: luma, v: red, strideY, strideUV } = this.#out;
    const { left, right, top, bottom } = this.#window;
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const inside = Math.min(1, Math.max(0, (149 - red[y * strideUV + x]!) / 9));
        if (inside > 0) sum += inside * Math.min(1, Math.max(0, (100 - luma[2 * y * strideY + 2 * x]!) / 50));
      }
    }
    return sum;
  }
}
