import { closeSync, openSync, readSync } from 'node:fs';
import type { Closable } from '../units.js';

/** A prepared clip on the time line of the whole. */
export interface TrackClip {
  /** Raw PCM, 48 kHz mono, signed 16-bit little-endian. */
  pcmPath: string;
  startSample: number;
  lengthSamples: number;
}

/**
 * The sound of a stretch of the time line, read from prepared clips; silence between them and outside. One file is open
 * at a time, and nothing is kept in memory. Clips are in order and do not overlap.
 */
export class SoundTrack implements Closable {
  readonly #clips: readonly TrackClip[];
  #at = 0;
  #open: { index: number; file: number } | null = null;

  constructor(clips: readonly TrackClip[]) {
    this.#clips = clips;
  }

  /** Fills `into` with the samples from `position` on. Throws when a prepared clip is missing or too short. */
  read(into: Int16Array, position: number): void {
    into.fill(0);
    const end = position + into.length;
    this.#seek(position);
    for (let i = this.#at; i < this.#clips.length; i++) {
      const clip = this.#clips[i]!;
      if (clip.startSample >= end) return;
      const from = Math.max(position, clip.startSample);
      const to = Math.min(end, clip.startSample + clip.lengthSamples);
      if (from < to) this.#copy(i, from - clip.startSample, into.subarray(from - position, to - position));
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.file);
    this.#open = null;
  }

  /** Finds the first clip that ends after a position: usually the same as last time, or the next. */
  #seek(position: number): void {
    const ended = (i: number): boolean => {
      const clip = this.#clips[i];
      return clip !== undefined && clip.startSample + clip.lengthSamples <= position;
    };
    while (this.#at > 0 && !ended(this.#at - 1)) this.#at--;
    while (ended(this.#at)) this.#at++;
  }

  #copy(index: number, offset: number, into: Int16Array): void {
    const { pcmPath } = this.#clips[index]!;
    if (this.#open?.index !== index) {
      this.close();
      this.#open = { index, file: openSync(pcmPath, 'r') };
    }
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.#open.file, bytes, done, bytes.length - done, 2 * offset + done);
      if (count === 0) throw new Error(`the prepared clip ${pcmPath} is too short`);
      done += count;
    }
  }
}
