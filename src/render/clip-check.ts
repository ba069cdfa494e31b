import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DhError } from '../errors.js';
import type { MediaClient } from '../media/media-client.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { ClipSource, ListedClip } from './clip-list.js';
import type { FileStamp, Manifest } from './manifest.js';
import { PREPARED_VERSION } from './prepared-clips.js';
import { checkPicture } from './still-picture.js';

/** A clip that cannot be rendered, and why. */
export interface BadClip {
  /** Number in the list, from 0. */
  index: number;
  name: string;
  reason: string;
}

/** A clip that can. */
export interface CheckedClip extends ListedClip {
  index: number;
  /** Its name among the prepared clips: a hash of its content. */
  key: string;
  /** Hash of its picture's content; null without one. */
  imageHash: string | null;
  /** Length that the file claims, or that is guessed from the text. */
  aboutS: number;
}

export interface CheckTools {
  media: () => MediaClient;
  speech: () => SpeechService;
  signal: AbortSignal;
}

/** Sound of an unknown length is taken for this much when space is reckoned. */
const UNKNOWN_S = 60;

/**
 * Looks at clips before any work is done: whether files are there and hold sound, texts have a voice, pictures can be
 * read. What was seen before, by its size, times and place on the disk, is not read again.
 */
export class ClipChecker {
  readonly #manifest: Manifest;
  readonly #tools: CheckTools;
  readonly #pictures = new Map<string, Promise<string>>();
  readonly #files = new Map<string, Promise<{ key: string; aboutS: number }>>();

  constructor(manifest: Manifest, tools: CheckTools) {
    this.#manifest = manifest;
    this.#tools = tools;
  }

  /** Returns the clip, or what is wrong with it. Throws the signal's reason. */
  async check(clip: ListedClip, index: number): Promise<CheckedClip | BadClip> {
    this.#tools.signal.throwIfAborted();
    try {
      const imageHash = clip.image === null ? null : await this.picture(clip.image);
      const { key, aboutS } = await this.#source(clip.source);
      return { ...clip, index, key, imageHash, aboutS };
    } catch (error) {
      this.#tools.signal.throwIfAborted();
      if (!(error instanceof DhError) || error.code === 'media_unavailable') throw error;
      return { index, name: clip.name, reason: error.message };
    }
  }

  /** The hash of a picture that can be read. Throws DhError `clips_invalid`. */
  picture(path: string): Promise<string> {
    let known = this.#pictures.get(path);
    if (!known) this.#pictures.set(path, (known = this.#picture(path)));
    return known;
  }

  async #picture(path: string): Promise<string> {
    const seen = this.#manifest.inputs[path];
    const stamp = await this.#stamp(path, 'picture');
    if (seen?.hash !== stamp.hash) await checkPicture(path);
    this.#manifest.inputs[path] = stamp;
    return stamp.hash;
  }

  #source(source: ClipSource): Promise<{ key: string; aboutS: number }> {
    if (source.kind === 'text') return this.#text(source);
    let known = this.#files.get(source.path);
    if (!known) this.#files.set(source.path, (known = this.#file(source.path)));
    return known;
  }

  async #text(source: Extract<ClipSource, { kind: 'text' }>): Promise<{ key: string; aboutS: number }> {
    const { text, voice, language } = source;
    const plan = this.#tools.speech().plan({ text, voice: voice ?? undefined, language: language ?? undefined });
    const key = keyOf(hashOf(JSON.stringify(['text', plan])));
    return { key, aboutS: text.length / 17 + 0.5 };
  }

  async #file(path: string): Promise<{ key: string; aboutS: number }> {
    const seen = this.#manifest.inputs[path];
    const stamp = await this.#stamp(path, 'sound');
    const key = keyOf(stamp.hash);
    const known = this.#manifest.clips[key];
    if (known) {
      this.#manifest.inputs[path] = stamp;
      return { key, aboutS: known.lengthSamples / 48_000 };
    }
    const { media, signal } = this.#tools;
    const { durationS } = await media().inspect(path, { signal });
    if (seen?.hash !== stamp.hash) this.#manifest.inputs[path] = stamp;
    return { key, aboutS: durationS ?? UNKNOWN_S };
  }

  async #stamp(path: string, what: string): Promise<FileStamp> {
    const stats = await stat(path).catch((cause: unknown) => {
      throw new DhError('not_found', `the ${what} file ${path} does not exist`, { cause });
    });
    if (!stats.isFile()) throw new DhError('audio_invalid', `${path} is not a regular file`);
    if (stats.size === 0) throw new DhError('audio_invalid', `the ${what} file is empty`);
    const now = { bytes: stats.size, modifiedMs: stats.mtimeMs, changedMs: stats.ctimeMs, inode: stats.ino };
    const seen = this.#manifest.inputs[path];
    const same =
      seen?.bytes === now.bytes &&
      seen.modifiedMs === now.modifiedMs &&
      seen.changedMs === now.changedMs &&
      seen.inode === now.inode;
    return { ...now, hash: same ? seen.hash : await hashFile(path, this.#tools.signal) };
  }
}

export function isBad(clip: CheckedClip | BadClip): clip is BadClip {
  return 'reason' in clip;
}

/** @throws DhError `not_found` when it cannot be read. */
async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: 256 * 1024, signal }))
      hash.update(bytes as Buffer);
  } catch (error) {
    signal.throwIfAborted();
    throw new DhError('not_found', `the file cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return hash.digest('hex');
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function keyOf(hash: string): string {
  return `${hash.slice(0, 40)}-${PREPARED_VERSION}`;
}
