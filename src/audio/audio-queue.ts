import RingBuffer from 'ringbufferjs';
import { fadeOut } from './fade.js';
import { CHUNK_SAMPLES, type AudioChunk, type Closable } from '../units.js';

/** `utteranceId` of the fade-out that an interrupted utterance leaves in the queue. */
export const FADE = '';

/** What a chunk carries besides its samples. */
export type ChunkMeta = Pick<AudioChunk, 'utteranceId' | 'startSample' | 'lengthSamples'>;

export interface AudioQueueStats {
  /** Chunks waiting, and how many may wait. */
  length: number;
  capacity: number;
  /** Chunks lost since the start because a live source was faster than the clock. */
  drops: number;
  /** Chunks that entered since the start, dropped ones included. */
  pushed: number;
  /** Chunks taken and not yet given back. */
  outstanding: number;
}

export interface AudioQueueOptions {
  /** Chunks that may wait: `maxQueueSize` of the preset. Default 3. */
  capacity?: number;
  /** Chunks that the consumer may hold at a time between `take` and `release`. Default 2. */
  maxTaken?: number;
}

/**
 * The sound that waits for its picture: at most `capacity` chunks of 40 ms, first in, first out. All chunks are
 * allocated at construction and go round; pushing copies the samples in.
 *
 * A live source pushes with `push`: when the queue is full the oldest chunk is dropped and counted. A source that
 * must not lose anything uses `tryPush` and waits for `room`.
 */
export class AudioQueue implements Closable {
  readonly #maxTaken: number;
  readonly #onEvicted = (chunk: AudioChunk): void => {
    if (chunk.utteranceId !== FADE) this.#drops++;
    this.#recycle(chunk);
  };
  /** May be longer than `#capacity` for a while, after a queue of a source that waits was made shorter. */
  #ring: RingBuffer<AudioChunk>;
  #capacity: number;
  readonly #free: AudioChunk[] = [];
  /** Every chunk of the queue, and whether the consumer has it: a foreign or second release is refused. */
  readonly #taken = new Map<AudioChunk, boolean>();
  #outstanding = 0;
  #drops = 0;
  #pushed = 0;
  #closed = false;

  /** @throws RangeError when the capacity or `maxTaken` is not a positive whole number. */
  constructor(options: AudioQueueOptions = {}) {
    const capacity = options.capacity ?? 3;
    this.#maxTaken = options.maxTaken ?? 2;
    mustBePositive('capacity', capacity);
    mustBePositive('maxTaken', this.#maxTaken);
    this.#capacity = capacity;
    this.#ring = new RingBuffer<AudioChunk>(capacity, this.#onEvicted);
    this.#fillPool();
  }

  /** Chunks waiting. */
  get length(): number {
    return this.#ring.size();
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** How many chunks `tryPush` would accept now. */
  get room(): number {
    return this.#closed ? 0 : Math.max(0, this.#capacity - this.length);
  }

  /**
   * Adds 40 ms of a live source; the samples are copied.
   * @param samples Exactly `CHUNK_SAMPLES` samples.
   * @returns How many chunks were lost by it: 0, or 1 when the oldest made place; more after `resize` with `keep`.
   * @throws RangeError when the number of samples is another.
   */
  push(samples: Int16Array, meta: ChunkMeta): number {
    mustBeChunk(samples);
    if (this.#closed) return 0;
    const before = this.#drops;
    // Before the ring would do it: the chunk that goes is the one that the new samples are written to.
    while (this.length >= this.#capacity) this.#onEvicted(this.#ring.deq());
    this.#shorten();
    this.#enqueue(samples, meta);
    return this.#drops - before;
  }

  /**
   * Adds 40 ms of a source that waits; the samples are copied.
   * @param samples Exactly `CHUNK_SAMPLES` samples.
   * @returns Whether there was room; if not, nothing has changed.
   * @throws RangeError when the number of samples is another.
   */
  tryPush(samples: Int16Array, meta: ChunkMeta): boolean {
    mustBeChunk(samples);
    if (this.room === 0) return false;
    this.#enqueue(samples, meta);
    return true;
  }

  /**
   * The oldest chunk, or null when nothing waits. The caller gives it back with `release`.
   * @throws RangeError when the caller already holds `maxTaken` chunks.
   */
  take(): AudioChunk | null {
    if (this.#ring.isEmpty()) return null;
    if (this.#outstanding >= this.#maxTaken) throw new RangeError(`${this.#maxTaken} chunks were not released`);
    const chunk = this.#ring.deq();
    this.#taken.set(chunk, true);
    this.#outstanding++;
    this.#shorten();
    return chunk;
  }

  /** Gives a chunk back. @throws RangeError when it is not one that was taken from this queue. */
  release(chunk: AudioChunk): void {
    if (this.#taken.get(chunk) !== true) throw new RangeError('chunk was not taken from this queue');
    this.#taken.set(chunk, false);
    this.#outstanding--;
    this.#recycle(chunk);
  }

  /**
   * The chunks that wait, oldest first: the look-ahead. They stay the queue's; look at them before the next call.
   * @param out Reused by the caller; its length becomes the number of chunks.
   */
  ahead(out: AudioChunk[]): AudioChunk[] {
    const length = this.#ring.size();
    out.length = length;
    // One full turn of the ring: peekN would allocate.
    for (let i = 0; i < length; i++) {
      const chunk = this.#ring.deq();
      out[i] = chunk;
      this.#ring.enq(chunk);
    }
    return out;
  }

  /** Removes the chunks of an utterance, or all. They do not count as drops. @returns How many it were. */
  clear(utteranceId?: string): number {
    const length = this.#ring.size();
    let removed = 0;
    for (let i = 0; i < length; i++) {
      const chunk = this.#ring.deq();
      if (utteranceId === undefined || chunk.utteranceId === utteranceId) {
        removed++;
        this.#recycle(chunk);
      } else this.#ring.enq(chunk);
    }
    this.#shorten();
    return removed;
  }

  /**
   * Interrupts what waits: the oldest chunk becomes a fade-out of 8 ms that belongs to no utterance (`utteranceId` is
   * `FADE`), everything behind it goes. What is pushed next is heard after the fade.
   */
  cutToFade(): void {
    if (this.#ring.isEmpty()) return;
    const fade = this.#ring.deq();
    this.clear();
    if (fade.utteranceId !== FADE) fadeOut(fade.samples);
    Object.assign(fade, { utteranceId: FADE, startSample: 0, lengthSamples: 0 });
    this.#ring.enq(fade);
  }

  /** Chunks waiting that belong to an utterance: all but a fade. */
  get soundLength(): number {
    const fades = !this.#ring.isEmpty() && this.#ring.peek().utteranceId === FADE ? 1 : 0;
    return this.length - fades;
  }

  /** A new object each time: for reports, not for the frame loop. */
  stats(): AudioQueueStats {
    return {
      length: this.length,
      capacity: this.capacity,
      drops: this.#drops,
      pushed: this.#pushed,
      outstanding: this.#outstanding,
    };
  }

  /** Bytes of sample memory held. */
  bytes(): number {
    return this.#taken.size * CHUNK_SAMPLES * Int16Array.BYTES_PER_ELEMENT;
  }

  /**
   * Changes the capacity. When fewer may wait than do, the oldest are dropped and counted, or with `keep` stay until
   * they are taken: there is no room until then.
   * @throws RangeError when it is not a positive whole number.
   */
  resize(capacity: number, { keep = false }: { keep?: boolean } = {}): void {
    mustBePositive('capacity', capacity);
    if (this.#closed) return;
    this.#capacity = capacity;
    if (!keep) while (this.length > capacity) this.#onEvicted(this.#ring.deq());
    this.#replaceRing(Math.max(capacity, this.length));
  }

  /** Empties the queue. Chunks that are out may still be released. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.clear();
    for (const chunk of this.#free) this.#taken.delete(chunk);
    this.#free.length = 0;
    // ringbufferjs leaves references in slots that were read.
    this.#ring = new RingBuffer<AudioChunk>(this.#capacity, this.#onEvicted);
  }

  /** Gives a ring that is longer than it should be its length, as soon as what waits fits. */
  #shorten(): void {
    if (this.#ring.capacity() > this.#capacity && this.length <= this.#capacity) this.#replaceRing(this.#capacity);
  }

  /** A new ring, as ringbufferjs has no resize; the old one goes with all its references. */
  #replaceRing(capacity: number): void {
    const old = this.#ring;
    if (old.capacity() === capacity) return;
    this.#ring = new RingBuffer<AudioChunk>(capacity, this.#onEvicted);
    while (!old.isEmpty()) this.#ring.enq(old.deq());
    this.#fillPool();
  }

  #enqueue(samples: Int16Array, meta: ChunkMeta): void {
    // At most `capacity` wait and `maxTaken` are out, and the pool holds their sum.
    const chunk = this.#free.pop();
    if (chunk === undefined) throw new Error('chunk pool is empty');
    this.#pushed++;
    chunk.samples.set(samples);
    chunk.utteranceId = meta.utteranceId;
    chunk.startSample = meta.startSample;
    chunk.lengthSamples = meta.lengthSamples;
    this.#ring.enq(chunk);
  }

  /** Back to the pool, or away when the pool has become smaller. */
  #recycle(chunk: AudioChunk): void {
    chunk.utteranceId = '';
    if (this.#closed || this.#taken.size > this.#poolSize()) this.#taken.delete(chunk);
    else this.#free.push(chunk);
  }

  #poolSize(): number {
    return this.#ring.capacity() + this.#maxTaken;
  }

  #fillPool(): void {
    while (this.#taken.size > this.#poolSize()) {
      const chunk = this.#free.pop();
      if (chunk === undefined) break;
      this.#taken.delete(chunk);
    }
    while (this.#taken.size < this.#poolSize()) {
      const chunk = { samples: new Int16Array(CHUNK_SAMPLES), utteranceId: '', startSample: 0, lengthSamples: 0 };
      this.#taken.set(chunk, false);
      this.#free.push(chunk);
    }
  }
}

function mustBePositive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive whole number`);
}

function mustBeChunk(samples: Int16Array): void {
  if (samples.length !== CHUNK_SAMPLES) {
    throw new RangeError(`a chunk has ${CHUNK_SAMPLES} samples, not ${samples.length}`);
  }
}
