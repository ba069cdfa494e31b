import { randomUUID } from 'node:crypto';
import { open, readFile, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SAMPLE_RATE, type VisemeCue } from '../units.js';
import { diskError } from './disk-error.js';

/** What is known of a prepared clip. */
export interface PreparedClip {
  key: string;
  lengthSamples: number;
  /** Largest sample, 0…32768. */
  peak: number;
  /** Whether the voice told the mouth's shapes. */
  hasCues: boolean;
  /** What is wrong with sound that can be used all the same. */
  damage?: string;
}

/** Below this it cannot be heard: −60 dB. */
const SILENT_PEAK = 32;
/** Raised when a prepared clip has to be made differently: older ones are made anew. */
export const PREPARED_VERSION = 1;

export function isSilent({ peak }: PreparedClip): boolean {
  return peak < SILENT_PEAK;
}

/**
 * The prepared clips of one project, by content: raw PCM (48 kHz mono, signed 16-bit little-endian) and what is known of
 * it. Both appear by rename, the description last: a clip that has one is whole.
 */
export class PreparedClips {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get folder(): string {
    return this.#folder;
  }

  pcmPath(key: string): string {
    return join(this.#folder, `${key}.pcm`);
  }

  cuesPath(key: string): string {
    return join(this.#folder, `${key}.cues.json`);
  }

  /** A clip that is there and whole, or null. */
  async find(key: string): Promise<PreparedClip | null> {
    try {
      const clip = JSON.parse(await readFile(this.#describing(key), 'utf8')) as PreparedClip;
      const { size } = await stat(this.pcmPath(key));
      return size === 2 * clip.lengthSamples ? clip : null;
    } catch {
      return null;
    }
  }

  /**
   * Writes a clip as its sound comes; nothing of it is kept in memory, and a source that fails leaves nothing.
   * @throws DhError `disk_full`, `write_failed`; what the source throws.
   */
  async write(key: string, source: (writer: ClipWriter) => Promise<VisemeCue[] | null>): Promise<PreparedClip> {
    const hidden = join(this.#folder, `${key}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`);
    try {
      const file = await open(hidden, 'w').catch((error: unknown) => {
        throw diskError(hidden, error);
      });
      const writer = new ClipWriter(file, this.pcmPath(key));
      let cues: VisemeCue[] | null;
      try {
        cues = await source(writer);
      } finally {
        await file.close();
      }
      const { lengthSamples, peak, damage } = writer;
      const clip: PreparedClip = { key, lengthSamples, peak, hasCues: cues !== null, ...(damage ? { damage } : {}) };
      await rename(hidden, this.pcmPath(key));
      if (cues) await this.#put(this.cuesPath(key), cues);
      await this.#put(this.#describing(key), clip);
      return clip;
    } catch (error) {
      await rm(hidden, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Removes clips; without keys, all, and what a process that was killed left half done. */
  async remove(keep: ReadonlySet<string> = new Set()): Promise<{ clips: number; bytes: number }> {
    let clips = 0;
    let bytes = 0;
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const key = name.split('.')[0] ?? '';
      if (keep.has(key) && !name.endsWith('.tmp')) continue;
      const path = join(this.#folder, name);
      bytes += (await stat(path).catch(() => null))?.size ?? 0;
      if (name.endsWith('.pcm')) clips += 1;
      await rm(path, { force: true });
    }
    return { clips, bytes };
  }

  #describing(key: string): string {
    return join(this.#folder, `${key}.json`);
  }

  async #put(path: string, value: unknown): Promise<void> {
    const hidden = `${path}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`;
    try {
      const file = await open(hidden, 'w');
      try {
        await file.writeFile(JSON.stringify(value));
      } finally {
        await file.close();
      }
      await rename(hidden, path);
    } catch (error) {
      await rm(hidden, { force: true }).catch(() => undefined);
      throw diskError(path, error);
    }
  }
}

/** Takes the sound of one clip. */
export class ClipWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  lengthSamples = 0;
  peak = 0;
  /** See `PreparedClip`. */
  damage: string | null = null;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Appends samples at 48 kHz; they may be reused when the promise is settled. */
  async write(samples: Int16Array): Promise<void> {
    for (let i = 0; i < samples.length; i++) this.peak = Math.max(this.peak, Math.abs(samples[i]!));
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    try {
      for (let done = 0; done < bytes.length;) done += (await this.#file.write(bytes, done)).bytesWritten;
    } catch (error) {
      throw diskError(this.#path, error);
    }
    this.lengthSamples += samples.length;
  }
}

/** Bytes of prepared sound. */
export function preparedBytes(seconds: number): number {
  return Math.ceil(seconds * SAMPLE_RATE * 2);
}
