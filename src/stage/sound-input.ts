import { AudioQueue, FADE } from '../audio/audio-queue.js';
import { PcmDoor } from '../audio/door.js';
import { UtteranceBuffer } from '../audio/utterance-buffer.js';
import { CHUNK_SAMPLES, SAMPLE_RATE, type AudioChunk, type Closable, type SpeechSlice } from '../units.js';
import type { Interrupted, UtteranceSpec } from './protocol.js';

/** A live source starts when this many chunks wait, so that its jitter does not tear holes; fewer in short queues. */
const LIVE_START_CHUNKS = 2;

interface Current {
  spec: UtteranceSpec;
  resampler: PcmDoor | null;
  /** Position in the utterance up to which slices were taken in. */
  takenSample: number;
  /** Samples that went into the queue or the buffer, counted from the utterance's start. */
  receivedSamples: number;
  playedSamples: number;
  started: boolean;
  ended: boolean;
}

export interface SoundInputOptions {
  /** Chunks that may wait in the queue. */
  maxQueueSize: number;
  /** Sound of a live source that waits in front of the queue before any is heard, in ms; 0: none. */
  jitterBufferMs: number;
}

export interface SoundInputEvents {
  started(utteranceId: string): void;
  ended(utteranceId: string, playedMs: number): void;
  /** Sound of a live source was lost because it came faster than it is played. */
  dropped(utteranceId: string, samples: number): void;
}

/**
 * The way of an utterance's sound through a stage: resampler, window, capped queue. A source that waits fills the
 * window of 2 s and loses nothing. A live source goes straight into the queue, or through the window as its jitter
 * buffer, and loses its oldest sound. One utterance at a time; everything of another one is refused, so nothing stale
 * can surface.
 */
export class SoundInput implements Closable {
  readonly queue: AudioQueue;
  readonly #buffer = new UtteranceBuffer();
  readonly #events: SoundInputEvents;
  readonly #scratch = new Int16Array(CHUNK_SAMPLES);
  readonly #meta = { utteranceId: '', startSample: 0, lengthSamples: 0 };
  #jitterSamples: number;
  #current: Current | null = null;
  /** A live source gathers sound before any is heard: in the queue, and in the jitter buffer. */
  #queueWaits = true;
  #bufferWaits = true;
  #waiter: { samples: number; resolve: () => void } | null = null;

  constructor({ maxQueueSize, jitterBufferMs }: SoundInputOptions, events: SoundInputEvents) {
    this.queue = new AudioQueue({ capacity: maxQueueSize });
    this.#jitterSamples = toSamples(jitterBufferMs);
    this.#events = events;
  }

  /** The utterance that plays, and how much of it was played. */
  get utterance(): { id: string; playedSamples: number } | null {
    const current = this.#current;
    return current && { id: current.spec.id, playedSamples: current.playedSamples };
  }

  /**
   * Changes how much may wait. Of a live source the oldest chunks are dropped when fewer may; a source that waits loses
   * nothing. The jitter buffer of a live source that speaks changes with its next utterance.
   */
  configure({ maxQueueSize, jitterBufferMs }: SoundInputOptions): void {
    this.queue.resize(maxQueueSize, { keep: this.#current?.spec.overflow === 'wait' });
    if (this.#current?.spec.overflow !== 'drop-oldest') this.#jitterSamples = toSamples(jitterBufferMs);
  }

  /** The window: memory that it takes, and samples that wait in it. */
  get buffered(): { bytes: number; samples: number } {
    return { bytes: this.#buffer.bytes, samples: this.#buffer.lengthSamples };
  }

  /** Starts an utterance; one that is still there is interrupted. */
  begin(spec: UtteranceSpec): void {
    if (this.#current) this.interrupt();
    this.#buffer.start(spec.startSample);
    this.#queueWaits = this.#bufferWaits = true;
    this.#current = {
      spec,
      resampler: null,
      takenSample: spec.startSample,
      receivedSamples: spec.startSample,
      playedSamples: spec.playedSamples,
      started: false,
      ended: false,
    };
  }

  /**
   * Takes a slice in; resolves when it fits into the window. A slice of another utterance, and one that was taken in
   * before, is ignored.
   */
  async push(utteranceId: string, slice: SpeechSlice): Promise<void> {
    const current = this.#current;
    if (current?.spec.id !== utteranceId || current.ended || slice.endSample <= current.takenSample) return;
    current.takenSample = slice.endSample;
    if (current.spec.overflow === 'wait') {
      // The resampler may hand out a little more than the slice's own length: what it held back before.
      const samples = Math.ceil((slice.pcm.length * SAMPLE_RATE) / slice.sampleRateHz) + 2 * CHUNK_SAMPLES;
      await this.#room(Math.min(samples, this.#buffer.capacitySamples));
      if (this.#current !== current) return;
    }
    if (current.resampler?.rateHz !== slice.sampleRateHz) {
      this.#flush(current);
      current.resampler = new PcmDoor(slice.sampleRateHz);
    }
    current.resampler.write(slice.pcm, this.#sink);
  }

  /** No more sound will come for it. */
  end(utteranceId: string): void {
    const current = this.#current;
    if (current?.spec.id !== utteranceId || current.ended) return;
    this.#flush(current);
    current.ended = true;
    this.#buffer.end();
    this.#queueWaits = this.#bufferWaits = false;
  }

  /**
   * The sound of the next 40 ms: a chunk that the caller gives back to `queue`, or null for silence. `ahead` is
   * filled with what waits behind it.
   */
  next(ahead: AudioChunk[]): AudioChunk | null {
    this.#refill();
    if (!this.#mayPlay()) {
      ahead.length = 0;
      return null;
    }
    const chunk = this.queue.take();
    this.#refill();
    this.queue.ahead(ahead);
    const current = this.#current;
    if (!current || chunk?.utteranceId === FADE) return chunk;
    if (chunk) {
      this.#queueWaits = false;
      if (!current.started) {
        current.started = true;
        this.#events.started(current.spec.id);
      }
    } else if (current.ended && this.#buffer.lengthSamples === 0) this.#finish(current);
    else this.#queueWaits = this.#bufferWaits = !current.ended;
    return chunk;
  }

  /** A chunk from `next` was sent: the acknowledgement for a restart. */
  played(chunk: AudioChunk): void {
    const current = this.#current;
    if (current?.spec.id === chunk.utteranceId) current.playedSamples += chunk.lengthSamples;
  }

  /** Ends the utterance now. What would have come next fades out over 8 ms, ahead of what is pushed after it. */
  interrupt(): Interrupted {
    const current = this.#current;
    if (!current) return { utteranceId: null, playedMs: 0 };
    if (current.started) this.queue.cutToFade();
    this.#drop(current);
    return { utteranceId: current.spec.id, playedMs: toMs(current.playedSamples) };
  }

  /** Chunks that were taken and not given back. */
  get outstanding(): number {
    return this.queue.stats().outstanding;
  }

  close(): void {
    if (this.#current) this.#drop(this.#current);
    this.queue.close();
  }

  readonly #sink = (samples: Int16Array, lengthSamples: number): void => {
    const current = this.#current;
    if (!current) return;
    if (current.spec.overflow === 'wait' || this.#jitterSamples > 0) {
      this.#write(current, lengthSamples === samples.length ? samples : samples.subarray(0, lengthSamples));
    } else {
      this.#describe(current, current.receivedSamples, lengthSamples);
      const lost = this.queue.push(samples, this.#meta);
      if (lost > 0) this.#events.dropped(current.spec.id, lost * CHUNK_SAMPLES);
    }
    current.receivedSamples += lengthSamples;
  };

  /** Into the window; a live source that has twice its jitter buffer there goes back to one. */
  #write(current: Current, samples: Int16Array): void {
    if (current.spec.overflow === 'drop-oldest') {
      const limit = Math.min(2 * this.#jitterSamples, this.#buffer.capacitySamples);
      const over = this.#buffer.lengthSamples + samples.length - limit;
      if (over > 0) this.#events.dropped(current.spec.id, this.#buffer.drop(over + this.#jitterSamples));
    }
    this.#buffer.write(samples);
  }

  /** Whether sound may be heard now: a fade at once, a live source when enough of it waits. */
  #mayPlay(): boolean {
    const current = this.#current;
    if (current?.spec.overflow !== 'drop-oldest' || !this.#queueWaits) return true;
    if (this.queue.soundLength < this.queue.length) return true;
    return this.queue.length >= Math.min(LIVE_START_CHUNKS, this.queue.capacity);
  }

  #refill(): void {
    const current = this.#current;
    if (!current || !this.#bufferMayFlow(current)) return;
    while (this.queue.room > 0 && this.#buffer.ready) {
      const startSample = this.#buffer.positionSamples;
      this.#describe(current, startSample, this.#buffer.takeChunk(this.#scratch));
      this.queue.tryPush(this.#scratch, this.#meta);
    }
    if (this.#waiter && this.#buffer.freeSamples >= this.#waiter.samples) this.#release();
  }

  #bufferMayFlow({ spec, ended }: Current): boolean {
    if (spec.overflow === 'wait') return true;
    if (this.#bufferWaits && this.#buffer.lengthSamples >= this.#jitterSamples) this.#bufferWaits = false;
    return ended || !this.#bufferWaits;
  }

  #describe(current: Current, startSample: number, lengthSamples: number): void {
    this.#meta.utteranceId = current.spec.id;
    this.#meta.startSample = startSample;
    this.#meta.lengthSamples = lengthSamples;
  }

  #flush(current: Current): void {
    current.resampler?.flush(this.#sink);
    current.resampler?.close();
    current.resampler = null;
  }

  #finish(current: Current): void {
    this.#drop(current);
    this.#events.ended(current.spec.id, toMs(current.playedSamples));
  }

  /** Forgets the utterance; a fade in the queue stays. */
  #drop(current: Current): void {
    current.resampler?.close();
    this.queue.clear(current.spec.id);
    this.#buffer.clear();
    this.#current = null;
    this.#release();
  }

  async #room(samples: number): Promise<void> {
    if (this.#buffer.freeSamples >= samples) return;
    this.#release(); // control sends one slice at a time; a second waiter would be a lost one
    await new Promise<void>((resolve) => (this.#waiter = { samples, resolve }));
  }

  #release(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve();
  }
}

function toMs(samples: number): number {
  return Math.round((samples / SAMPLE_RATE) * 1000);
}

function toSamples(ms: number): number {
  return Math.round((ms * SAMPLE_RATE) / 1000);
}
