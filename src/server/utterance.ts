import { randomUUID } from 'node:crypto';
import { sliceSpeech } from '../audio/slice-speech.js';
import { DhError } from '../errors.js';
import type { Overflow } from '../stage/protocol.js';
import { SAMPLE_RATE, type SpeechPiece, type SpeechSlice } from '../units.js';

/** Longest slice that travels to a stage at once, in ms. */
const SLICE_MS = 500;

/**
 * One thing to say: where its sound comes from, and the part of it that is still needed. It is read by position, so
 * any number of readers, one after another or at once, get the same sound; only this class asks the source for more,
 * one slice at a time.
 *
 * A source that waits keeps its sound until it was played, about 2 s, so that another stage can go on with it. A live
 * source keeps it until it was sent.
 */
export class Utterance {
  readonly id: string;
  readonly text: string | undefined;
  readonly overflow: Overflow;
  readonly #abort = new AbortController();
  readonly #source: AsyncIterator<SpeechPiece>;
  #pull: Promise<void> | null = null;
  #kept: SpeechSlice[] = [];
  #ended = false;
  #failure: DhError | null = null;
  #playedSamples = 0;
  /** Position of what the source gives next: counted anew from where its sample rate last changed. */
  #base = 0;
  #rateHz = SAMPLE_RATE;
  #sinceBase = 0;

  /** `open` starts the source; it is given a signal that fires when nobody wants more. */
  constructor(
    open: (signal: AbortSignal) => AsyncIterable<SpeechPiece>,
    options: { text?: string; overflow?: Overflow } = {},
  ) {
    this.id = randomUUID();
    this.text = options.text;
    this.overflow = options.overflow ?? 'wait';
    this.#source = sliceSpeech(open(this.#abort.signal), SLICE_MS)[Symbol.asyncIterator]();
  }

  /** Begins to produce before its turn comes. Rejects with the source's error. */
  async prime(): Promise<void> {
    if (this.#kept.length === 0 && !this.#ended) await this.#more();
    if (this.#failure) throw this.#failure;
  }

  /** Why its source ended too early; null when it has not. What it gave before can still be read. */
  get failure(): DhError | null {
    return this.#failure;
  }

  /** Samples at 48 kHz that were played. */
  get playedSamples(): number {
    return this.#playedSamples;
  }

  /** Where a stage begins that knows nothing of it: at the first sample that is kept. */
  get resumeSample(): number {
    if (this.overflow === 'wait') return this.#playedSamples;
    return this.#kept[0]?.startSample ?? this.#endSample;
  }

  /** Sound that is kept, in bytes. */
  get retainedBytes(): number {
    return this.#kept.reduce((sum, { pcm }) => sum + pcm.byteLength, 0);
  }

  /** Samples at 48 kHz up to `samples` were played. */
  acknowledge(samples: number): void {
    if (samples <= this.#playedSamples) return;
    this.#playedSamples = samples;
    if (this.overflow === 'wait') this.#release(samples);
  }

  /** A stage has taken in what comes before `sample`. */
  sent(sample: number): void {
    if (this.overflow === 'drop-oldest') this.#release(sample);
  }

  /** The sound from `sample` on, at most half a second; null when there is no more. Waits for the source, never rejects. */
  async from(sample: number): Promise<SpeechSlice | null> {
    for (;;) {
      const slice = this.#kept.find(({ endSample }) => endSample > sample);
      if (slice) return trim(slice, sample);
      if (this.#ended) return null;
      await this.#more();
    }
  }

  /** Stops the source and lets everything go. Twice is harmless. */
  close(): void {
    this.#abort.abort();
    this.#kept = [];
    this.#ended = true;
    void Promise.resolve(this.#source.return?.()).catch(() => undefined);
  }

  #more(): Promise<void> {
    this.#pull ??= this.#source
      .next()
      .then(
        (result) => {
          if (result.done) this.#ended = true;
          else if (!this.#ended) this.#keep(result.value);
        },
        (error: unknown) => {
          if (!this.#ended) this.#failure = DhError.from(error);
          this.#ended = true;
        },
      )
      .finally(() => (this.#pull = null));
    return this.#pull;
  }

  get #endSample(): number {
    return this.#base + Math.round((this.#sinceBase * SAMPLE_RATE) / this.#rateHz);
  }

  #keep(piece: SpeechPiece): void {
    const startSample = this.#endSample;
    if (piece.sampleRateHz !== this.#rateHz) {
      this.#base = startSample;
      this.#rateHz = piece.sampleRateHz;
      this.#sinceBase = 0;
    }
    this.#sinceBase += piece.pcm.length;
    this.#kept.push({ ...piece, startSample, endSample: this.#endSample });
  }

  #release(sample: number): void {
    while (this.#kept[0] && this.#kept[0].endSample <= sample) this.#kept.shift();
  }
}

function trim(slice: SpeechSlice, from: number): SpeechSlice {
  if (from <= slice.startSample) return slice;
  const skip = Math.round(((from - slice.startSample) * slice.sampleRateHz) / SAMPLE_RATE);
  return { ...slice, pcm: slice.pcm.slice(skip), startSample: from };
}
