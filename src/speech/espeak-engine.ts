import loadEspeak, { type EspeakEvent, type EspeakWorker } from '@echogarden/espeak-ng-emscripten';
import type { Phone, RawSpeech, Synthesiser } from './voice.js';

/** espeak-ng in this thread: about a hundred languages, phonemes with times in milliseconds, 22,050 Hz. */
export class EspeakEngine implements Synthesiser {
  readonly #worker: EspeakWorker;
  readonly #reset: () => void;

  private constructor(worker: EspeakWorker, reset: () => void) {
    this.#worker = worker;
    this.#reset = reset;
  }

  /**
   * Compiles and starts the engine: 100–300 ms, about 45 MB. What it says differs a little from time to time, in noise
   * and in length; not so a `repeatable` one, which starts from the same memory every time (17 MB more).
   */
  static async load({ repeatable = false } = {}): Promise<EspeakEngine> {
    const espeak = await loadEspeak();
    const worker = new espeak.eSpeakNGWorker();
    const fresh = repeatable ? espeak.HEAPU8.slice() : null;
    return new EspeakEngine(worker, () => {
      if (fresh === null) return;
      espeak.HEAPU8.set(fresh);
      espeak.HEAPU8.fill(0, fresh.length);
    });
  }

  /** The engine's own identifiers of all voices. */
  voices(): string[] {
    return this.#worker.list_voices().map(({ identifier }) => identifier);
  }

  /**
   * @param voice identifier of the engine, such as `gmw/de`
   * @param text is said as it stands: nothing in it is taken as markup or as phonemes
   */
  synthesise(voice: string, text: string): RawSpeech {
    this.#reset();
    if (this.#worker.set_voice(voice) !== 0) throw new Error(`espeak-ng does not know the voice ${voice}.`);
    const pieces: Int16Array[] = [];
    const events: EspeakEvent[] = [];
    let lengthSamples = 0;
    this.#worker.synthesize(escapeText(text), (audio, more) => {
      pieces.push(audio);
      lengthSamples += audio.length;
      events.push(...more);
      return false;
    });
    const pcm = new Int16Array(lengthSamples);
    let at = 0;
    for (const piece of pieces) {
      pcm.set(piece, at);
      at += piece.length;
    }
    const sampleRateHz = this.#worker.samplerate;
    return { pcm, sampleRateHz, phones: phonesOf(events, (lengthSamples * 1000) / sampleRateHz), alphabet: 'ipa' };
  }
}

/** The wrapper always switches SSML and `[[phonemes]]` on: neither may reach it from a text. */
export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/\[(?=\[)/g, '[ ');
}

function phonesOf(events: readonly EspeakEvent[], totalMs: number): Phone[] {
  const phones: Phone[] = [];
  for (const event of events) {
    // "(en)" announces a change of language inside the text.
    if (event.type !== 'phoneme' || typeof event.id !== 'string' || event.id.startsWith('(')) continue;
    const startMs = Math.min(event.audio_position, totalMs);
    const previous = phones.at(-1);
    if (previous) previous.endMs = startMs;
    phones.push({ symbol: event.id, startMs, endMs: totalMs });
  }
  return phones.filter(({ startMs, endMs }) => endMs > startMs);
}
