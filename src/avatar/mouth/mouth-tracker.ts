import { FRAME_MS, SAMPLE_RATE, neutralMouth, type AudioChunk, type MouthPose, type VisemeCue } from '../../units.js';
import { CueTrack } from './mouth-from-cues.js';
import { MouthFromSound } from './mouth-from-sound.js';
import { PoseSmoother } from './pose-smoother.js';
import { HOPS, SoundBlocks, type SoundBlock } from './sound-blocks.js';
import { SpeechLevel } from './speech-level.js';

/** Chunks of look-ahead that are used; more are ignored. */
const MAX_AHEAD = 3;
/** A loud sound opens the mouth of a cue by this much more than a faint one. */
const LOUDNESS_SPAN = 0.12;
/** Share of the way per frame that `energy` goes, up and down. */
const ENERGY_UP = 0.5;
const ENERGY_DOWN = 0.18;

/**
 * The mouth of one session, frame by frame. An utterance with cues is spoken by them; any other is guessed from its sound,
 * up to the look-ahead. `next` allocates nothing.
 */
export class MouthTracker {
  readonly #tracks = new Map<string, CueTrack>();
  readonly #blocks = new SoundBlocks();
  readonly #level = new SpeechLevel();
  readonly #sound = new MouthFromSound();
  readonly #smoother = new PoseSmoother();
  readonly #target = neutralMouth();
  readonly #onNew = (block: SoundBlock): void => this.#level.update(block);
  /** Block 0 is the frame before, 1 this one, then the look-ahead. */
  readonly #window: SoundBlock[] = Array.from({ length: 2 + MAX_AHEAD }, () => this.#blocks.silent);
  #loudness = 0.5;
  #energy = 0;

  /** Smoothed loudness of the voice, 0…1, for what moves with it: head, brows. */
  get energy(): number {
    return this.#energy;
  }

  /** Cues that wait or are being played, over all utterances. */
  get pendingCues(): number {
    let sum = 0;
    for (const track of this.#tracks.values()) sum += track.size;
    return sum;
  }

  /** Appends cues of an utterance, ordered, in ms from its start; they should come before their sound is played. */
  addCues(utteranceId: string, cues: readonly VisemeCue[]): void {
    if (cues.length === 0) return;
    let track = this.#tracks.get(utteranceId);
    if (track === undefined) this.#tracks.set(utteranceId, (track = new CueTrack()));
    track.add(cues);
  }

  /** Drops the cues of an utterance that ended or was interrupted. */
  forget(utteranceId: string): void {
    this.#tracks.delete(utteranceId);
  }

  /**
   * Once per frame of 40 ms, in order: writes the mouth at the middle of the frame to `out`. `now` is the chunk that is
   * heard in this frame (null: silence), `ahead` the chunks that come next, as many as are there.
   */
  next(now: AudioChunk | null, ahead: readonly AudioChunk[], out: MouthPose): void {
    const count = this.#look(now, ahead);
    const target = this.#target;
    if (!this.#fromCues(now, ahead, target)) this.#sound.pose(this.#window, count, this.#level, target);
    this.#smoother.step(target, out);
  }

  /** After an interrupt: the mouth closes within three frames; what was known of the sound is forgotten. */
  reset(): void {
    this.#blocks.reset();
    this.#window.fill(this.#blocks.silent);
    this.#smoother.release();
  }

  /** Measures what is new, follows the loudness, and returns how many blocks of the window are known. */
  #look(now: AudioChunk | null, ahead: readonly AudioChunk[]): number {
    const window = this.#window;
    window[0] = window[1]!;
    window[1] =
      now === null ? this.#blocks.silent : this.#blocks.measure(now, window[0] === this.#blocks.silent, this.#onNew);
    const count = Math.min(ahead.length, MAX_AHEAD);
    for (let i = 0; i < count; i++) {
      window[2 + i] = this.#blocks.measure(ahead[i]!, i === 0 && now === null, this.#onNew);
    }
    let loudness = 0;
    for (let hop = 0; hop < HOPS; hop++) loudness += this.#level.loudness(window[1].levelDb[hop]!) / HOPS;
    this.#loudness += 0.3 * (loudness - this.#loudness);
    this.#energy += (loudness > this.#energy ? ENERGY_UP : ENERGY_DOWN) * (loudness - this.#energy);
    if (now === null && this.#energy < 1e-3) this.#energy = 0;
    return 2 + count;
  }

  /** Writes the mouth of the utterance that is or will next be heard, if it has cues. */
  #fromCues(now: AudioChunk | null, ahead: readonly AudioChunk[], out: MouthPose): boolean {
    let id: string;
    let middleMs: number;
    const first = ahead[0];
    if (now !== null) {
      id = now.utteranceId;
      middleMs = startMs(now) + FRAME_MS / 2;
    } else if (first !== undefined) {
      id = first.utteranceId;
      middleMs = startMs(first) - FRAME_MS / 2;
    } else {
      return false;
    }
    const track = this.#tracks.get(id);
    if (track === undefined) return false;
    track.drop(middleMs);
    track.pose(middleMs, out);
    out.open *= 1 + LOUDNESS_SPAN * (this.#loudness - 0.6);
    return true;
  }
}

function startMs(chunk: AudioChunk): number {
  return (chunk.startSample / SAMPLE_RATE) * 1000;
}
