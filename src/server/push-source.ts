import { PcmBytes } from '../audio/pcm-bytes.js';
import type { SpeechPiece } from '../units.js';

/** What waits for the reader before the writer should pause, in ms of sound. */
const HIGH_WATER_MS = 2_000;

/**
 * Sound that somebody sends, as a source for an utterance. `write` says whether the sender may go on; a sender that
 * cannot be paused (a microphone) loses the oldest.
 */
export class PushSource {
  readonly #rate: number;
  readonly #bytes = new PcmBytes();
  readonly #onDrain: () => void;
  readonly #onDrop: (samples: number) => void;
  readonly #live: boolean;
  #pieces: Int16Array[] = [];
  #samples = 0;
  #ended = false;
  #wake: (() => void) | null = null;

  /** `onDrain`: the reader has taken what waited. `onDrop`: samples of a live sender were lost. */
  constructor(
    sampleRateHz: number,
    options: { live: boolean; onDrain?: () => void; onDrop?: (samples: number) => void },
  ) {
    this.#rate = sampleRateHz;
    this.#live = options.live;
    this.#onDrain = options.onDrain ?? (() => undefined);
    this.#onDrop = options.onDrop ?? (() => undefined);
  }

  /** The sender should wait for `onDrain`. */
  get full(): boolean {
    return this.#samples > this.#mostSamples;
  }

  /** Sound that waits for the reader, in bytes. */
  get waitingBytes(): number {
    return this.#samples * Int16Array.BYTES_PER_ELEMENT;
  }

  /** Takes signed 16-bit little-endian bytes of any count. False: wait for `onDrain`. */
  write(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    const pcm = this.#bytes.push(bytes).slice();
    if (pcm.length > 0) {
      this.#pieces.push(pcm);
      this.#samples += pcm.length;
      this.#wake?.();
    }
    let lost = 0;
    while (this.#live && this.full && this.#pieces.length > 1) {
      const samples = this.#pieces.shift()?.length ?? 0;
      this.#samples -= samples;
      lost += samples;
    }
    if (lost > 0) this.#onDrop(lost);
    return !this.full;
  }

  get #mostSamples(): number {
    return (this.#rate * HIGH_WATER_MS) / 1000;
  }

  /** Everything that waits, as one: small messages must not cost a call each when the reader is slow. */
  #takeAll(): Int16Array | null {
    if (this.#pieces.length === 0) return null;
    const all = new Int16Array(this.#samples);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#samples = 0;
    return all;
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *pieces(signal: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    const stop = (): void => this.end();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const pcm = this.#takeAll();
        if (pcm) {
          this.#onDrain();
          yield { pcm, sampleRateHz: this.#rate, cues: null };
        } else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#pieces = [];
      this.#samples = 0;
    }
  }
}
