import { AudioQueue } from '../audio/audio-queue.js';
import { PcmDoor } from '../audio/door.js';
import { fadeOut } from '../audio/fade.js';
import { UtteranceBuffer } from '../audio/utterance-buffer.js';
import { CHUNK_SAMPLES, SAMPLE_RATE, type AudioChunk, type Closable, type SpeechPiece } from '../units.js';
import type { Interrupted, UtteranceSpec } from './protocol.js';

/** A live source starts when this many chunks wait, so that its jitter does not tear holes; fewer in short queues. */
const LIVE_START_CHUNKS = 2;

interface Current {
  spec: UtteranceSpec;
  door: PcmDoor | null;
  /** Samples that went into the queue or the buffer, counted from the utterance's start. */
  receivedSamples: number;
  playedSamples: number;
  started: boolean;
  ended: boolean;
}

export interface SoundInputEvents {
  started(utteranceId: string): void;
  ended(utteranceId: string, playedMs: number): void;
}

/**
 * The way of an utterance's sound through a stage: door, credit window (or none for live sources), capped queue.
 * One utterance at a time; everything of another one is refused, so nothing stale can surface.
 */
export class SoundInput implements Closable {
  readonly queue: AudioQueue;
  readonly #buffer = new UtteranceBuffer();
  readonly #events: SoundInputEvents;
  readonly #scratch = new Int16Array(CHUNK_SAMPLES);
  readonly #meta = { utteranceId: '', startSample: 0, lengthSamples: 0 };
  readonly #fade = new Int16Array(CHUNK_SAMPLES);
  #fadePending = false;
  #current: Current | null = null;
  #liveWaits = true;
  #waiter: { samples: number; resolve: () => void } | null = null;

  constructor(maxQueueSize: number, events: SoundInputEvents) {
    this.queue = new AudioQueue({ capacity: maxQueueSize });
    this.#events = events;
  }

  /** The utterance that plays, and how much of it was played. */
  get utterance(): { id: string; playedSamples: number } | null {
    const current = this.#current;
    return current && { id: current.spec.id, playedSamples: current.playedSamples };
  }

  /**
   * Changes how many chunks may wait. Of a live source the oldest are dropped when fewer may; a source that waits loses
   * nothing.
   */
  resize(maxQueueSize: number): void {
    this.queue.resize(maxQueueSize, { keep: this.#current?.spec.overflow === 'wait' });
  }

  /** The credit window: memory that it takes, and samples that wait in it. */
  get buffered(): { bytes: number; samples: number } {
    return { bytes: this.#buffer.bytes, samples: this.#buffer.lengthSamples };
  }

  /** Starts an utterance; one that is still there is given up. */
  begin(spec: UtteranceSpec): void {
    if (this.#current) this.interrupt();
    this.#buffer.start(spec.startSample);
    this.#liveWaits = true;
    this.#current = {
      spec,
      door: null,
      receivedSamples: spec.startSample,
      playedSamples: spec.startSample,
      started: false,
      ended: false,
    };
  }

  /** Takes a slice in; resolves when it fits into the window. A slice of another utterance is ignored. */
  async push(utteranceId: string, slice: SpeechPiece): Promise<void> {
    const current = this.#current;
    if (current?.spec.id !== utteranceId || current.ended) return;
    if (current.spec.overflow === 'wait') {
      // The door may hand out a little more than the slice's own length: what it held back before.
      const samples = Math.ceil((slice.pcm.length * SAMPLE_RATE) / slice.sampleRateHz) + 2 * CHUNK_SAMPLES;
      await this.#room(Math.min(samples, this.#buffer.capacitySamples));
      if (this.#current !== current) return;
    }
    if (current.door?.rateHz !== slice.sampleRateHz) {
      this.#flushDoor(current);
      current.door = new PcmDoor(slice.sampleRateHz);
    }
    current.door.write(slice.pcm, this.#sink);
  }

  /** No more sound will come for it. */
  end(utteranceId: string): void {
    const current = this.#current;
    if (current?.spec.id !== utteranceId || current.ended) return;
    this.#flushDoor(current);
    current.ended = true;
    this.#buffer.end();
    this.#liveWaits = false;
  }

  /**
   * The sound of the next 40 ms: a chunk that the caller gives back to `queue`, or null for silence. `ahead` is
   * filled with what waits behind it.
   */
  next(ahead: AudioChunk[]): AudioChunk | null {
    this.#refill();
    const current = this.#current;
    const enough = Math.min(LIVE_START_CHUNKS, this.queue.capacity);
    if (this.#liveWaits && current?.spec.overflow === 'drop-oldest' && this.queue.length < enough) {
      ahead.length = 0;
      return null;
    }
    const chunk = this.queue.take();
    this.#refill();
    this.queue.ahead(ahead);
    if (!current) return chunk;
    if (chunk) {
      this.#liveWaits = false;
      if (!current.started) {
        current.started = true;
        this.#events.started(current.spec.id);
      }
    } else if (current.ended && this.#buffer.lengthSamples === 0) this.#finish(current);
    else this.#liveWaits = current.spec.overflow === 'drop-oldest';
    return chunk;
  }

  /** Tells that a chunk from `next` was sent: the acknowledgement for a restart. */
  played(chunk: AudioChunk): void {
    const current = this.#current;
    if (current?.spec.id === chunk.utteranceId) current.playedSamples += chunk.lengthSamples;
  }

  /** Ends the utterance now. What would have come next fades out over 8 ms: see `takeFade`. */
  interrupt(): Interrupted {
    const current = this.#current;
    if (!current) return { utteranceId: null, playedMs: 0 };
    const chunk = current.started ? this.queue.take() : null;
    if (chunk) {
      this.#fade.set(chunk.samples);
      fadeOut(this.#fade);
      this.#fadePending = true;
      this.queue.release(chunk);
    }
    this.#drop(current);
    return { utteranceId: current.spec.id, playedMs: toMs(current.playedSamples) };
  }

  /** The fading rest of an interrupted utterance, once; null when there is none. The memory stays here. */
  takeFade(): Int16Array | null {
    if (!this.#fadePending) return null;
    this.#fadePending = false;
    return this.#fade;
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
    if (current.spec.overflow === 'wait') {
      this.#buffer.write(lengthSamples === samples.length ? samples : samples.subarray(0, lengthSamples));
    } else {
      this.#describe(current, current.receivedSamples, lengthSamples);
      this.queue.push(samples, this.#meta);
    }
    current.receivedSamples += lengthSamples;
  };

  #refill(): void {
    const current = this.#current;
    if (current?.spec.overflow !== 'wait') return;
    while (this.queue.room > 0 && this.#buffer.ready) {
      const startSample = this.#buffer.positionSamples;
      this.#describe(current, startSample, this.#buffer.takeChunk(this.#scratch));
      this.queue.tryPush(this.#scratch, this.#meta);
    }
    if (this.#waiter && this.#buffer.freeSamples >= this.#waiter.samples) this.#release();
  }

  #describe(current: Current, startSample: number, lengthSamples: number): void {
    this.#meta.utteranceId = current.spec.id;
    this.#meta.startSample = startSample;
    this.#meta.lengthSamples = lengthSamples;
  }

  #flushDoor(current: Current): void {
    current.door?.flush(this.#sink);
    current.door?.close();
    current.door = null;
  }

  #finish(current: Current): void {
    this.#drop(current);
    this.#events.ended(current.spec.id, toMs(current.playedSamples));
  }

  #drop(current: Current): void {
    current.door?.close();
    this.queue.clear();
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
