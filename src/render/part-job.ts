import type { CaptionSpan } from './captions.js';
import type { OutputSettings } from './output.js';
import type { TrackClip } from './sound-track.js';

/** A clip as a part needs it. */
export interface PartClip extends TrackClip {
  /** Its mouth shapes (a JSON file of `VisemeCue[]`); null: found from the sound. */
  cuesPath: string | null;
  /** The picture that is seen from its start on; null: black. */
  image: string | null;
}

/** Whose face is seen. */
export interface PartAvatar {
  bakedPath: string;
  /** What the movements are drawn from; the same seed and sound give the same pictures. */
  seed: number;
  /** Whether the face comes to rest at the beginning and the end, so that it does not jump from part to part. */
  easeIn: boolean;
  easeOut: boolean;
}

/** Everything that one part is made from; plain data, so that another process can make it. */
export interface PartJob {
  path: string;
  startSample: number;
  endSample: number;
  /** Clips that can be heard in it or shortly before and after, in order. */
  clips: PartClip[];
  /** Text in the picture; none: empty. */
  captions: CaptionSpan[];
  fontFile: string;
  /** Null: still pictures. */
  avatar: PartAvatar | null;
  output: OutputSettings;
}

/** How much sound before a part is looked at: the mouth and the movements get going. */
export const LEAD_SAMPLES = 5 * 48_000;
/** And after it: what the mouth looks ahead, and what an encoder needs to finish. */
export const TAIL_SAMPLES = 24_000;
