import { createEngine, type AvatarEngine } from '../avatar/engine.js';
import type { BakedAvatar } from '../avatar/baked.js';
import { Life } from '../avatar/life.js';
import { MouthTracker } from '../avatar/mouth/mouth-tracker.js';
import { SpeechState } from './states.js';
import { neutralFace, type AudioChunk, type Closable, type I420Frame } from '../units.js';

/** The face of one session: sound in, a drawn picture out. Shared by the live stage and the offline renderer. */
export class PictureMaker implements Closable {
  readonly mouth = new MouthTracker();
  readonly #life: Life;
  readonly #state = new SpeechState();
  #engine: AvatarEngine;
  readonly #pose = neutralFace();

  /** Draws with an engine of its own when it is given an avatar, or with one that belongs to the caller. */
  constructor(avatar: BakedAvatar | AvatarEngine, seed: number) {
    this.#engine = 'draw' in avatar ? avatar : createEngine(avatar);
    this.#life = new Life({ seed });
  }

  /** Goes on with the same face, in the same pose, on another engine. */
  show(engine: AvatarEngine): void {
    this.#engine = engine;
  }

  get pictureWidth(): number {
    return this.#engine.pictureWidth;
  }

  get pictureHeight(): number {
    return this.#engine.pictureHeight;
  }

  get bytes(): number {
    return this.#engine.bytes;
  }

  /**
   * Moves the face on by one frame. Called for every frame, also for those that are not drawn. `movement` 0…1 scales
   * all but the mouth; at 0 the face looks straight ahead.
   */
  advance(frame: number, now: AudioChunk | null, ahead: readonly AudioChunk[], movement = 1): void {
    this.mouth.next(now, ahead, this.#pose.mouth);
    const weight = this.#state.update(now !== null);
    this.#life.update(frame, weight, this.mouth.energy, this.#pose);
    if (movement !== 1) this.#calm(movement);
  }

  /** Draws the face as it is now; `out` has the picture's size. */
  draw(out: I420Frame, frame: number): void {
    this.#engine.draw(this.#pose, out, frame);
  }

  #calm(movement: number): void {
    const { eyes, brows, head } = this.#pose;
    eyes.x *= movement;
    eyes.y *= movement;
    eyes.close *= movement;
    brows.raise *= movement;
    brows.frown *= movement;
    head.x *= movement;
    head.y *= movement;
    head.turn *= movement;
    this.#pose.breath *= movement;
  }

  close(): void {
    this.mouth.reset();
  }
}
