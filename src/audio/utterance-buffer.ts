import { CHUNK_SAMPLES, SAMPLE_RATE } from '../units.js';

/** About two seconds: a pause of the process that sends the sound is not heard. */
export const CREDIT_SAMPLES = 2 * SAMPLE_RATE;

/**
 * The credit window of a source that waits: up to 2 s of one utterance's sound, 48 kHz mono. The ring is allocated
 * once a session and used for one utterance after the other.
 *
 * The sender may have `freeSamples` more under way; `write` accepts at most that many.
 */
export class UtteranceBuffer {
  readonly #ring: Int16Array;
  #read = 0;
  #length = 0;
  #position = 0;
  #ended = false;

  /** @throws RangeError when the capacity is less than one chunk. */
  constructor(capacitySamples = CREDIT_SAMPLES) {
    if (!Number.isInteger(capacitySamples) || capacitySamples < CHUNK_SAMPLES) {
      throw new RangeError(`an utterance buffer holds at least ${CHUNK_SAMPLES} samples`);
    }
    this.#ring = new Int16Array(capacitySamples);
  }

  get capacitySamples(): number {
    return this.#ring.length;
  }

  /** Samples that wait. */
  get lengthSamples(): number {
    return this.#length;
  }

  /** Samples that `write` would accept now: the sender's credit. 0 once the utterance has ended. */
  get freeSamples(): number {
    return this.#ended ? 0 : this.#ring.length - this.#length;
  }

  /** Position in the utterance of the next sample that is taken. */
  get positionSamples(): number {
    return this.#position;
  }

  /** Whether `takeChunk` would give sound: a whole chunk, or the last rest of an utterance that has ended. */
  get ready(): boolean {
    return this.#length >= CHUNK_SAMPLES || (this.#ended && this.#length > 0);
  }

  /** Whether the utterance has ended and everything was taken. */
  get drained(): boolean {
    return this.#ended && this.#length === 0;
  }

  get bytes(): number {
    return this.#ring.byteLength;
  }

  /** Starts an utterance, or goes on with one at `startSample` of it; what was there is forgotten. */
  start(startSample = 0): void {
    this.clear();
    this.#position = startSample;
  }

  /** Adds sound, copied. @returns How many of the samples were accepted; the rest did not fit. */
  write(samples: Int16Array): number {
    const count = Math.min(samples.length, this.freeSamples);
    const capacity = this.#ring.length;
    let to = (this.#read + this.#length) % capacity;
    for (let i = 0; i < count; i++) {
      this.#ring[to] = samples[i]!;
      if (++to === capacity) to = 0;
    }
    this.#length += count;
    return count;
  }

  /** No more sound will come: the rest may be taken, though it fills no chunk. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Moves the next chunk into `into` (`CHUNK_SAMPLES` long). An unfinished chunk waits for more sound, except at the
   * end of the utterance, where it is filled up with silence.
   * @returns How many of the samples are sound; 0: nothing was taken.
   */
  takeChunk(into: Int16Array): number {
    if (into.length !== CHUNK_SAMPLES) throw new RangeError(`a chunk has ${CHUNK_SAMPLES} samples`);
    if (!this.ready) return 0;
    const count = Math.min(CHUNK_SAMPLES, this.#length);
    const capacity = this.#ring.length;
    for (let i = 0; i < count; i++) {
      into[i] = this.#ring[this.#read]!;
      if (++this.#read === capacity) this.#read = 0;
    }
    into.fill(0, count);
    this.#length -= count;
    this.#position += count;
    return count;
  }

  /** Throws away the oldest sound; the position moves on. @returns How many samples it was. */
  drop(samples: number): number {
    const count = Math.min(samples, this.#length);
    this.#read = (this.#read + count) % this.#ring.length;
    this.#length -= count;
    this.#position += count;
    return count;
  }

  /** Forgets everything; the position becomes 0. @returns How many samples were thrown away. */
  clear(): number {
    const removed = this.#length;
    this.#read = 0;
    this.#length = 0;
    this.#position = 0;
    this.#ended = false;
    return removed;
  }
}
