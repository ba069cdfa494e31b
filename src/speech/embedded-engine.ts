import { Piscina } from 'piscina';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import type { SpeechPiece } from '../units.js';
import { EMBEDDED_VOICES, NATIVE_NAMES } from './embedded-voices.js';
import { newLoudness } from './loudness.js';
import { Slots } from './slots.js';
import type { SpeechRequest, VoiceEngine, VoiceInfo } from './voice.js';
import type { VoiceJob, VoiceJobResult } from './voice-worker.js';

export interface EmbeddedVoiceOptions {
  /**
   * Most worker threads at a time, default 1: utterances take turns part by part (20–200 ms). A second thread costs about
   * 50 MB and starts only when two utterances want to speak.
   */
  threads?: number;
  /**
   * Ids of the voices that `ready` loads, those of other engines are passed over; default: English. Another engine is
   * loaded (40 MB) by the first who needs it, who waits half a second longer.
   */
  warmVoices?: readonly string[];
  /** After so long (default 15 s) the synthesis of one part counts as hung, and its thread is replaced. */
  timeLimitMs?: number;
  /** Another worker than the compiled `voice-worker.js`. */
  workerFile?: string;
}

/**
 * espeak-ng runs ten times faster once the JIT compiler has seen about 8 s of its sound, in whatever language: 40 ms
 * instead of 400 for the first sentence that somebody waits for.
 */
const WARM_UP_TEXT =
  'The quick brown fox jumps over the lazy dog, while seven wizards boxed with five big hens. Why should she choose those measures?';

/** The voices that ship with the package: espeak-ng and Flite, in worker threads of this process. */
export class EmbeddedVoiceEngine implements VoiceEngine {
  readonly voices: readonly VoiceInfo[] = EMBEDDED_VOICES;
  readonly #pool: Piscina<VoiceJob, VoiceJobResult>;
  readonly #slots: Slots;
  readonly #timeLimitMs: number;
  readonly #warmVoices: readonly string[];
  #closing: Promise<void> | undefined;

  constructor(options: EmbeddedVoiceOptions = {}) {
    const threads = options.threads ?? 1;
    this.#timeLimitMs = options.timeLimitMs ?? 15_000;
    this.#warmVoices = (options.warmVoices ?? ['slt']).filter((id) => NATIVE_NAMES.has(id));
    this.#slots = new Slots(threads);
    this.#pool = new Piscina<VoiceJob, VoiceJobResult>({
      filename: options.workerFile ?? entryPath(import.meta.url, './voice-worker.js'),
      minThreads: 1,
      maxThreads: threads,
      idleTimeout: 30_000,
      // Sound of a part is a few hundred KB; WebAssembly memory is outside of this limit.
      resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 8 },
    });
  }

  /** Starts the first thread and lets each voice speak, so that no listener waits for compilers and tables. */
  async ready(): Promise<void> {
    for (const voice of this.#warmVoices) {
      await this.#run(
        { text: WARM_UP_TEXT, voice, language: 'en', pauseMs: 0, loudness: newLoudness() },
        new AbortController().signal,
      );
    }
  }

  async *speak(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechPiece> {
    const result = await this.#run(request, signal);
    // A voice that can read nothing of the text makes no sound.
    if (result !== undefined && result.piece.pcm.length > 0) yield result.piece;
  }

  async close(): Promise<void> {
    this.#closing ??= this.#pool.destroy();
    await this.#closing;
  }

  /** Runs one job; undefined when it was aborted before it began. A job that runs is short, and is not stopped. */
  async #run(request: SpeechRequest, signal: AbortSignal): Promise<VoiceJobResult | undefined> {
    const native = NATIVE_NAMES.get(request.voice);
    if (native === undefined) throw new DhError('voice_not_found', `There is no voice "${request.voice}".`);
    if (!(await this.#slots.acquire(signal))) return undefined;
    // Aborting a running job kills its thread, which is right only for one that hangs.
    const hung = new AbortController();
    const timer = setTimeout(() => hung.abort(), this.#timeLimitMs);
    try {
      const { text, pauseMs, loudness } = request;
      const job: VoiceJob = { engine: native.engine, voice: native.name, text, pauseMs, loudness };
      const result = await this.#pool.run(job, { signal: hung.signal });
      Object.assign(loudness, result.loudness);
      return result;
    } catch (error) {
      const reason = hung.signal.aborted ? `took longer than ${this.#timeLimitMs} ms` : 'failed';
      throw new DhError('speech_failed', `The voice ${request.voice} ${reason}.`, { cause: error });
    } finally {
      clearTimeout(timer);
      this.#slots.release();
    }
  }
}
