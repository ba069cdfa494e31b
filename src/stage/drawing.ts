import type { BakedAvatar } from '../avatar/baked.js';
import { createEngine, type AvatarEngine } from '../avatar/engine.js';
import { Fit } from '../frames/fit.js';
import { FramePool, type PooledFrame } from '../frames/frame-pool.js';
import { NativePicture } from '../frames/native-picture.js';
import type { PictureMaker } from '../frames/picture-maker.js';
import { neutralFace, type Closable } from '../units.js';

export interface DrawingSize {
  width: number;
  height: number;
  framePoolSize: number;
}

/** Gives the event loop a turn, so that the frame clocks of all sessions go on. */
export type Breathe = () => Promise<void>;

/**
 * All of a session's picture that depends on avatar and size: engine, frame pool, and for an avatar with an aspect of
 * its own the canvas that is fitted into the output. A change of either makes a new one beside the old.
 */
export class Drawing implements Closable {
  readonly engine: AvatarEngine;
  readonly pool: FramePool;
  /** Where the face is drawn when it has another size than the output; null: straight into the pooled frame. */
  readonly canvas: NativePicture | null;
  readonly fit = new Fit();

  private constructor(baked: BakedAvatar, { width, height }: DrawingSize) {
    this.engine = createEngine(baked);
    this.pool = new FramePool({ width, height, size: 1 });
    const { pictureWidth, pictureHeight } = this.engine;
    const exact = pictureWidth === width && pictureHeight === height;
    this.canvas = exact ? null : new NativePicture(pictureWidth, pictureHeight);
  }

  /** Allocates everything, in steps of a few milliseconds. */
  static async prepare(baked: BakedAvatar, size: DrawingSize, breathe: Breathe): Promise<Drawing> {
    const drawing = new Drawing(baked, size);
    for (let frames = 2; frames <= size.framePoolSize; frames++) {
      await breathe();
      drawing.pool.resize(frames);
    }
    await breathe();
    return drawing;
  }

  /** Draws the face as it is now into a frame of the pool. The maker shows this drawing's engine. */
  draw(maker: PictureMaker, frame: PooledFrame, n: number): void {
    if (this.canvas) {
      maker.draw(this.canvas, n);
      this.fit.fitInto(this.canvas, frame);
    } else maker.draw(frame, n);
  }

  /** Draws a face at rest, for nobody: what is drawn first takes longest. */
  drawNeutral(frame: PooledFrame): void {
    this.engine.draw(neutralFace(), this.canvas ?? frame, 0);
    if (this.canvas) this.fit.fitInto(this.canvas, frame);
  }

  close(): void {
    this.fit.close();
    this.canvas?.close();
    this.pool.close();
  }
}
