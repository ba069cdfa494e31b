import { isEspeakVoice } from '../speech/embedded-voices.js';
import type { PlanRequest, SpeechPlan, SpeechService } from '../speech/speech-service.js';
import type { SpeechPiece } from '../units.js';
import type { ServerLoans } from './server-loans.js';

/** Speech for which there is memory: no voice is loaded before control has room for it. */
export class VoiceMemory {
  readonly #speech: SpeechService;
  readonly #loans: Pick<ServerLoans, 'voices' | 'otherVoices'>;

  constructor(speech: SpeechService, loans: Pick<ServerLoans, 'voices' | 'otherVoices'>) {
    this.#speech = speech;
    this.#loans = loans;
  }

  /** Loads the voices that are spoken with first. */
  async ready(): Promise<void> {
    await this.#loans.voices();
    await this.#speech.ready();
  }

  /**
   * Checks a text and returns what speaks it. Throws what `SpeechService.plan` does, and `memory_pressure` when there is
   * no memory for its voice.
   */
  async speak(request: PlanRequest): Promise<(signal: AbortSignal) => AsyncIterable<SpeechPiece>> {
    const plan = this.#speech.plan(request);
    if (plan.parts.some(({ voice }) => isEspeakVoice(voice))) await this.#loans.otherVoices();
    return (signal) => this.#speak(plan, signal);
  }

  async *#speak(plan: SpeechPlan, signal: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    await this.#loans.voices();
    yield* this.#speech.speak(plan, signal);
  }
}
