import type { ErrorJson } from '../errors.js';
import type { SoundInfo } from './sound-file.js';

/** Longest piece of sound in one answer, unless another is asked for: half a second at 48 kHz. */
export const PIECE_SAMPLES = 24_000;
/** Longest that can be asked for: four seconds. */
export const MOST_PIECE_SAMPLES = 8 * PIECE_SAMPLES;

/** No sound file needs more memory to be decoded, in MB: with more, the file is at fault. */
export const SOUND_FILE_MOST_MB = 250;

/** Limits of one job. */
export interface OpenOptions {
  /** Longest sound that is decoded. */
  maxDurationS: number;
  /** Samples at 48 kHz to leave out: what was already delivered before the process was replaced. */
  skipSamples: number;
  /** Longest piece in one answer, up to `MOST_PIECE_SAMPLES`. */
  pieceSamples: number;
}

/** Every answer of the media process: errors as data, as codes do not survive as exceptions. */
export type Reply<T> = { rssBytes: number } & ({ value: T; error?: never } | { value?: never; error: ErrorJson });

/** A piece of sound, and whether it is the last. */
export interface Piece {
  samples: Int16Array;
  last: boolean;
  /** With the last one: what is wrong with the sound; null: nothing that shows. */
  damage: string | null;
}

/** What the media process can be asked, one call at a time. `job` is a number that the caller chooses. */
export interface MediaFunctions {
  open(job: number, path: string, options: OpenOptions): Promise<Reply<SoundInfo>>;
  /** @returns At most `pieceSamples` samples; nothing is decoded ahead of the next call. */
  read(job: number): Promise<Reply<Piece>>;
  close(job: number): Promise<Reply<null>>;
}
