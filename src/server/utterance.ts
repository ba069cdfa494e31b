import { randomUUID } from 'node:crypto';
import { sliceSpeech } from '../audio/slice-speech.js';
import type { Overflow } from '../stage/protocol.js';
import { SAMPLE_RATE, type SpeechPiece } from '../units.js';

/** Longest slice that travels to a stage at once, in ms. */
const SLICE_MS = 500;

interface Retained {
  slice: SpeechPiece;
  /** Position in the utterance, in samples at 48 kHz. */
  start: number;
  end: number;
}

/**
 * One thing to say: where its sound comes from, and the part of it that no stage has acknowledged as played yet, so
 * that it can go on in another process. The unacknowledged part is bounded by the stage's window of about 2 s.
 */
export class Utterance {
  readonly id: string;
  readonly text: string | undefined;
  readonly overflow: Overflow;
  readonly #abort = new AbortController();
  readonly #slices: AsyncIterator<SpeechPiece>;
  #primed: Promise<IteratorResult<SpeechPiece>> | null = null;
  #retained: Retained[] = [];
  #produced = 0;
  #exhausted = false;
  #acknowledged = 0;

  /** `open` starts the source; it is given a signal that fires when nobody wants more. */
  constructor(
    open: (signal: AbortSignal) => AsyncIterable<SpeechPiece>,
    options: { text?: string; overflow?: Overflow } = {},
  ) {
    this.id = randomUUID();
    this.text = options.text;
    this.overflow = options.overflow ?? 'wait';
    this.#slices = sliceSpeech(open(this.#abort.signal), SLICE_MS)[Symbol.asyncIterator]();
  }

  /** Begins to produce before its turn comes. Rejects with the source's error, which `next` then gives as well. */
  async prime(): Promise<void> {
    this.#primed ??= this.#slices.next();
    await this.#primed;
  }

  get acknowledgedSamples(): number {
    return this.#acknowledged;
  }

  /** Sound that is kept until a stage has played it, in bytes. */
  get retainedBytes(): number {
    return this.#retained.reduce((sum, { slice }) => sum + slice.pcm.byteLength, 0);
  }

  /** Samples at 48 kHz up to `sample` were played: what came before is let go. */
  acknowledge(sample: number): void {
    if (sample <= this.#acknowledged) return;
    this.#acknowledged = sample;
    while (this.#retained[0] && this.#retained[0].end <= sample) this.#retained.shift();
  }

  /** What to send to a stage that begins at `acknowledgedSamples`: first what is retained, then what is new. */
  async *remaining(): AsyncGenerator<SpeechPiece, void, undefined> {
    for (const kept of [...this.#retained]) yield trim(kept, this.#acknowledged);
    while (!this.#exhausted) {
      const result = await (this.#primed ?? this.#slices.next());
      this.#primed = null;
      if (result.done) {
        this.#exhausted = true;
        return;
      }
      const slice = result.value;
      const start = this.#produced;
      this.#produced += Math.round((slice.pcm.length * SAMPLE_RATE) / slice.sampleRateHz);
      if (this.overflow === 'wait') this.#retained.push({ slice, start, end: this.#produced });
      yield slice;
    }
  }

  /** Stops the source and lets everything go. Twice is harmless. */
  close(): void {
    this.#abort.abort();
    this.#retained = [];
    this.#exhausted = true;
    // A source that waits inside `next` is woken by the signal; its rejection is nobody's concern any more.
    this.#primed?.catch(() => undefined);
    void Promise.resolve(this.#slices.return?.()).catch(() => undefined);
  }
}

function trim({ slice, start, end }: Retained, from: number): SpeechPiece {
  if (from <= start) return slice;
  const skip = Math.min(slice.pcm.length, Math.round(((from - start) / (end - start)) * slice.pcm.length));
  return { ...slice, pcm: slice.pcm.slice(skip) };
}
