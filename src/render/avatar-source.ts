import { readFileSync } from 'node:fs';
import { loadBaked } from '../avatar/baked.js';
import { Fit } from '../frames/fit.js';
import { NativePicture } from '../frames/native-picture.js';
import { PictureMaker } from '../frames/picture-maker.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, FRAME_RATE, type AudioChunk, type VisemeCue } from '../units.js';
import { CaptionOverlay } from './caption-overlay.js';
import type { FrameGrid } from './frame-grid.js';
import { LEAD_SAMPLES, type PartAvatar, type PartClip, type PartJob } from './part-job.js';
import type { EncodedPicture } from './render-part.js';
import { SoundTrack } from './sound-track.js';
import { VpxEncoder } from './vpx-encoder.js';

/** Chunks that the mouth sees beforehand. */
const AHEAD = 3;
/** Time in which the face comes to rest before a cut, and wakes up after it. */
const EASE_FRAMES = 0.8 * FRAME_RATE;

/**
 * The encoded pictures of a part in which an avatar speaks: the live face, without its clock. It is moved, but not
 * drawn, for some seconds before the part, so its mouth is right from the first picture on.
 */
export async function* avatarPictures(
  job: PartJob,
  avatar: PartAvatar,
  grid: FrameGrid,
): AsyncGenerator<EncodedPicture, void, undefined> {
  const { width, height, rate, format } = job.output;
  const pictures = new PictureMaker(await loadBaked(avatar.bakedPath), avatar.seed);
  const speech = new SpeechWindow(job, (id, cues) => pictures.mouth.addCues(id, cues));
  const canvas = new NativePicture(pictures.pictureWidth, pictures.pictureHeight);
  const picture = new NativePicture(width, height);
  const fit = new Fit();
  const captions = await CaptionOverlay.open(job);
  const encoder =
    format === 'webm'
      ? new VpxEncoder({ width, height, rate, still: false })
      : new VideoEncoder({ width, height, rate, bitrateKbps: 1, mode: 'offline', x264Preset: 'superfast', crf: 21 });
  try {
    // Positive from the first frame of the lead on, whatever the part.
    const leadFrames = Math.ceil(LEAD_SAMPLES / CHUNK_SAMPLES);
    for (let n = -leadFrames; n < grid.count; n++) {
      speech.moveTo(job.startSample + n * CHUNK_SAMPLES);
      pictures.advance(leadFrames + n, speech.now, speech.ahead, movementAt(n, grid.count, avatar));
      if (n < 0) continue;
      pictures.draw(canvas, n);
      fit.fitInto(canvas, picture);
      captions?.draw(picture, job.startSample + grid.startOf(n));
      yield encoder.encode(picture, n, n === 0);
    }
  } finally {
    encoder.close();
    fit.close();
    picture.close();
    canvas.close();
    speech.close();
    pictures.close();
  }
}

/** How lively the face is in picture `n`: 0 where two parts meet. */
function movementAt(n: number, count: number, { easeIn, easeOut }: PartAvatar): number {
  const begin = easeIn ? eased(n / EASE_FRAMES) : 1;
  const end = easeOut ? eased((count - n) / EASE_FRAMES) : 1;
  return Math.min(begin, end);
}

function eased(value: number): number {
  const x = Math.min(1, Math.max(0, value));
  return x * x * (3 - 2 * x);
}

/** The chunk that is heard and those after it, at any position of the time line. */
class SpeechWindow {
  readonly #clips: readonly PartClip[];
  readonly #track: SoundTrack;
  readonly #addCues: (utteranceId: string, cues: VisemeCue[]) => void;
  readonly #slots = Array.from({ length: 1 + AHEAD }, () => new Slot());
  readonly ahead: AudioChunk[] = [];
  now: AudioChunk | null = null;
  #clip = 0;
  #cuesUpTo = 0;

  constructor(job: PartJob, addCues: (utteranceId: string, cues: VisemeCue[]) => void) {
    this.#clips = job.clips;
    this.#track = new SoundTrack(job.clips);
    this.#addCues = addCues;
  }

  moveTo(position: number): void {
    const { ahead } = this;
    this.now = this.#chunkAt(position);
    ahead.length = 0;
    for (let i = 1; i <= AHEAD; i++) {
      const chunk = this.#chunkAt(position + i * CHUNK_SAMPLES);
      // As in the live queue: what is ahead follows on; a pause in between is not known yet.
      if (chunk) ahead.push(chunk);
      else if (ahead.length > 0) break;
    }
  }

  close(): void {
    this.#track.close();
  }

  /** The chunk of the clip that is heard in the middle of a frame; null in a pause. */
  #chunkAt(position: number): AudioChunk | null {
    const middle = position + CHUNK_SAMPLES / 2;
    while (endOf(this.#clips[this.#clip]) <= middle) this.#clip++;
    while (this.#clip > 0 && endOf(this.#clips[this.#clip - 1]) > middle) this.#clip--;
    const clip = this.#clips[this.#clip];
    if (clip === undefined || middle < clip.startSample) return null;
    const slot = this.#slots.find((each) => each.position === position) ?? this.#slots.reduce(older);
    if (slot.position !== position) {
      slot.position = position;
      slot.utteranceId = `clip-${clip.startSample}`;
      slot.startSample = position - clip.startSample;
      this.#track.read(slot.samples, position);
      this.#loadCues();
    }
    return slot;
  }

  /** Gives the mouth the shapes of the clip that is reached, once. */
  #loadCues(): void {
    for (; this.#cuesUpTo <= this.#clip; this.#cuesUpTo++) {
      const clip = this.#clips[this.#cuesUpTo];
      if (!clip?.cuesPath) continue;
      const cues = JSON.parse(readFileSync(clip.cuesPath, 'utf8')) as VisemeCue[];
      this.#addCues(`clip-${clip.startSample}`, cues);
    }
  }
}

class Slot implements AudioChunk {
  readonly samples = new Int16Array(CHUNK_SAMPLES);
  readonly lengthSamples = CHUNK_SAMPLES;
  utteranceId = '';
  startSample = 0;
  position = Number.NEGATIVE_INFINITY;
}

function older(a: Slot, b: Slot): Slot {
  return a.position <= b.position ? a : b;
}

function endOf(clip: PartClip | undefined): number {
  return clip === undefined ? Number.POSITIVE_INFINITY : clip.startSample + clip.lengthSamples;
}
