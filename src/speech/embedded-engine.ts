import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import { WorkerPools } from '../tasks/worker-pools.js';
import type { SpeechPiece } from '../units.js';
import { EMBEDDED_VOICES, NATIVE_NAMES } from './embedded-voices.js';
import { newLoudness } from './loudness.js';
import type { SpeechRequest, VoiceEngine, VoiceInfo } from './voice.js';
import type { VoiceJob, VoiceJobResult } from './voice-worker.js';

export interface EmbeddedVoiceOptions {
  /**
   * The threads to work in, of the kind `voices`: they stay the caller's. Without it the engine has its own, one thread:
   * utterances take turns part by part (20–200 ms). A second thread costs about 50 MB and starts only when two utterances
   * want to speak.
   */
  pools?: WorkerPools;
  /**
   * Ids of the voices that `ready` loads, those of other engines are passed over; default: English. Another engine is
   * loaded (40 MB) by the first who needs it, who waits half a second longer.
   */
  warmVoices?: readonly string[];
  /** After so long (default 15 s) the synthesis of one part counts as hung, and its thread is replaced. */
  timeLimitMs?: number;
  /** Whether the same text sounds the same every time, to the sample; default false, as it costs 17 MB. */
  repeatable?: boolean;
  /** Another worker than the compiled `voice-worker.js`. */
  workerFile?: string;
}

/**
 * espeak-ng runs ten times faster once the JIT compiler has seen about 8 s of its sound, in whatever language: 40 ms
 * instead of 400 for the first sentence that somebody waits for.
 */
const WARM_UP_TEXT =
  'The quick brown fox jumps over the lazy dog, while seven wizards boxed with five big hens. Why should she choose those measures?';

/** Which part is synthesised first when several wait. */
const PRIORITY = { urgent: 1, ahead: 0, warmUp: -1 } as const;

/** The voices that ship with the package: espeak-ng and Flite, in worker threads of this process. */
export class EmbeddedVoiceEngine implements VoiceEngine {
  readonly voices: readonly VoiceInfo[] = EMBEDDED_VOICES;
  readonly #pools: WorkerPools;
  readonly #ownPools: WorkerPools | null;
  readonly #file: string;
  readonly #timeLimitMs: number;
  readonly #warmVoices: readonly string[];
  readonly #repeatable: boolean;
  #closed = false;

  constructor(options: EmbeddedVoiceOptions = {}) {
    this.#timeLimitMs = options.timeLimitMs ?? 15_000;
    this.#warmVoices = (options.warmVoices ?? ['slt']).filter((id) => NATIVE_NAMES.has(id));
    this.#repeatable = options.repeatable ?? false;
    this.#file = options.workerFile ?? entryPath(import.meta.url, './voice-worker.js');
    this.#pools = options.pools ?? new WorkerPools();
    this.#ownPools = options.pools ? null : this.#pools;
  }

  /** Starts the first thread and lets each voice speak, so that no listener waits for compilers and tables. */
  async ready(): Promise<void> {
    for (const voice of this.#warmVoices) {
      await this.#run(
        { text: WARM_UP_TEXT, voice, language: 'en', pauseMs: 0, loudness: newLoudness() },
        new AbortController().signal,
        PRIORITY.warmUp,
      );
    }
  }

  async *speak(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechPiece> {
    const result = await this.#run(request, signal, request.urgent ? PRIORITY.urgent : PRIORITY.ahead);
    // A voice that can read nothing of the text makes no sound.
    if (result !== undefined && result.piece.pcm.length > 0) yield result.piece;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#ownPools?.close();
  }

  /** Runs one job; undefined when it was aborted before it began. A job that runs is short, and is not stopped. */
  async #run(request: SpeechRequest, signal: AbortSignal, priority: number): Promise<VoiceJobResult | undefined> {
    const native = NATIVE_NAMES.get(request.voice);
    if (native === undefined) throw new DhError('voice_not_found', `There is no voice "${request.voice}".`);
    const { text, pauseMs, loudness } = request;
    const repeatable = this.#repeatable;
    const data: VoiceJob = { engine: native.engine, voice: native.name, text, pauseMs, loudness, repeatable };
    if (this.#closed) return undefined;
    try {
      const result = await this.#pools.submit<VoiceJobResult>(
        'voices',
        { file: this.#file, data },
        { priority, signal, stopRunning: false, timeLimitMs: this.#timeLimitMs },
      );
      Object.assign(loudness, result.loudness);
      return result;
    } catch (error) {
      const { code, message } = DhError.from(error);
      if (signal.aborted || this.#closed || code === 'shutting_down') return undefined;
      if (code !== 'task_crashed') throw error;
      throw new DhError('speech_failed', `The voice ${request.voice} failed. ${message}`, { cause: error });
    }
  }
}
