import { DhError } from '../errors.js';
import type { Closable, SpeechPiece } from '../units.js';
import { EmbeddedVoiceEngine, type EmbeddedVoiceOptions } from './embedded-engine.js';
import { newLoudness } from './loudness.js';
import { readAhead } from './read-ahead.js';
import { planSpeech, type PlanRequest, type SpeechPlan } from './speech-plan.js';
import type { LoudnessState, VoiceEngine, VoiceInfo } from './voice.js';
import { VoiceCatalog } from './voice-catalog.js';

export type { PlanRequest, SpeechPlan } from './speech-plan.js';
export type { VoiceEngine, VoiceInfo } from './voice.js';

export interface SpeechServiceOptions extends EmbeddedVoiceOptions {
  /** Longest text, in code points; default 5,000. A function is asked for each text. */
  maxCharacters?: number | (() => number);
  /** Engines beside the embedded ones; theirs are preferred, in this order. The service closes them. */
  engines?: readonly VoiceEngine[];
}

/** Text in, speech out: sentences, voices, sound with mouth shapes. One for the whole control process. */
export class SpeechService implements Closable {
  readonly #engines: readonly VoiceEngine[];
  readonly #engineOf = new Map<string, VoiceEngine>();
  readonly #catalog: VoiceCatalog;
  readonly #maxCharacters: () => number;
  readonly #speaking = new Set<AbortController>();
  #closed = false;

  constructor(options: SpeechServiceOptions = {}) {
    this.#engines = [...(options.engines ?? []), new EmbeddedVoiceEngine(options)];
    for (const engine of this.#engines) for (const { id } of engine.voices) this.#engineOf.set(id, engine);
    this.#catalog = new VoiceCatalog(this.#engines.flatMap(({ voices }) => voices));
    const { maxCharacters = 5000 } = options;
    this.#maxCharacters = typeof maxCharacters === 'function' ? maxCharacters : () => maxCharacters;
  }

  /** Loads the voices' engines; `speak` works without it, only later. */
  async ready(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.ready()));
  }

  voices(): VoiceInfo[] {
    return [...this.#catalog.voices];
  }

  /**
   * Checks a request at once and cuts it up.
   *
   * @throws DhError `text_empty`, `text_too_long`, `voice_not_found`, `language_unsupported`
   */
  plan(request: PlanRequest): SpeechPlan {
    return planSpeech(request, this.#catalog, this.#maxCharacters());
  }

  /**
   * Says a plan. Synthesis starts with the first read and stays one piece ahead of the reader. Times of the cues count
   * from the start of the utterance. After an abort, or `close`, the sequence just ends.
   *
   * @throws DhError `speech_failed` while iterating; the service works on
   */
  speak(plan: SpeechPlan, signal?: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    return this.#speak(plan, signal);
  }

  /** Stops every utterance and ends the worker threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#speaking) stop.abort();
    await Promise.all(this.#engines.map(async (engine) => engine.close()));
  }

  async *#speak(plan: SpeechPlan, signal?: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    // AbortSignal.any would leave a reference with the service's signal for every utterance, for as long as it runs.
    const stop = new AbortController();
    const end = (): void => stop.abort();
    if (this.#closed || signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
    this.#speaking.add(stop);
    try {
      yield* readAhead(this.#pieces(plan, stop.signal), stop.signal);
    } finally {
      end();
      signal?.removeEventListener('abort', end);
      this.#speaking.delete(stop);
    }
  }

  async *#pieces(plan: SpeechPlan, signal: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    const loudness = new Map<string, LoudnessState>();
    let offsetMs = 0;
    for (const { text, voice, language, pauseMs } of plan.parts) {
      const engine = this.#engineOf.get(voice);
      if (engine === undefined) throw new DhError('voice_not_found', `There is no voice "${voice}".`);
      let heard = loudness.get(voice);
      if (heard === undefined) loudness.set(voice, (heard = newLoudness()));
      const urgent = offsetMs === 0;
      let lengthMs = 0;
      for await (const piece of engine.speak({ text, voice, language, pauseMs, urgent, loudness: heard }, signal)) {
        for (const cue of piece.cues ?? []) {
          cue.startMs += offsetMs;
          cue.endMs += offsetMs;
        }
        lengthMs += (piece.pcm.length * 1000) / piece.sampleRateHz;
        yield piece;
      }
      offsetMs += lengthMs;
      if (signal.aborted) return;
    }
  }
}
