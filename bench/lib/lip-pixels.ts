/** Reads openness from drawn pictures: how high the gap between the lips is in the middle of the mouth. */
import { bakeAvatar } from '../../src/avatar/bake.js';
import { createEngine, type AvatarEngine } from '../../src/avatar/engine.js';
import { presenter } from '../../src/avatar/presenter/index.js';
import { neutralFace, type FacePose, type I420Frame, type MouthPose } from '../../src/units.js';

/** The window in the mouth's rectangle where a gap can be, in shares of its sides. */
const WINDOW = { left: 0.43, right: 0.57, top: 0.22, bottom: 0.5 };
/** Openness of the still pictures that the height of the gap is calibrated with. */
const STEPS = 41;

/** Draws poses of the built-in presenter and measures them. Head, eyes and brows are at rest. */
export class LipPixels {
  readonly #engine: AvatarEngine;
  readonly #out: I420Frame;
  readonly #face: FacePose = neutralFace();
  readonly #window: { left: number; right: number; top: number; bottom: number };
  /** Gap of a still mouth by openness, rising. */
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
      left: Math.round(mouth.x + WINDOW.left * mouth.width),
      right: Math.round(mouth.x + WINDOW.right * mouth.width),
      top: Math.round(mouth.y + WINDOW.top * mouth.height),
      bottom: Math.round(mouth.y + WINDOW.bottom * mouth.height),
    };
    for (let step = 0; step < STEPS; step++) {
      const gap = this.#gap({ ...neutralFace().mouth, open: step / (STEPS - 1) });
      this.#scale.push(Math.max(gap, (this.#scale.at(-1) ?? 0) + 1e-6));
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
    const gap = this.#gap(pose);
    const scale = this.#scale;
    if (gap <= scale[0]!) return 0;
    const above = scale.findIndex((value) => value >= gap);
    if (above < 0) return 1;
    const low = scale[above - 1]!;
    return (above - 1 + (gap - low) / (scale[above]! - low)) / (STEPS - 1);
  }

  /** Pixels in the window that are dark as the inside of a mouth, or bright as teeth, each softly. */
  #gap(pose: MouthPose): number {
    Object.assign(this.#face.mouth, pose);
    this.#engine.draw(this.#face, this.#out, 0);
    const { left, right, top, bottom } = this.#window;
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const luma = this.#out.y[y * this.#out.strideY + x]!;
        sum += Math.min(1, Math.max(0, (95 - luma) / 60)) + Math.min(1, Math.max(0, (luma - 182) / 25));
      }
    }
    return sum;
  }
}
