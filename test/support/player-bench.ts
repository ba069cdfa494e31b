import { FADE } from '../../src/audio/audio-queue.js';
import { DhError } from '../../src/errors.js';
import { UtterancePlayer, type InterruptReport, type PlayerPort } from '../../src/server/utterance-player.js';
import { Utterance } from '../../src/server/utterance.js';
import type { Overflow } from '../../src/stage/protocol.js';
import { SoundInput, type SoundInputOptions } from '../../src/stage/sound-input.js';
import type { AudioChunk, SpeechPiece } from '../../src/units.js';

/** Lets everything happen that waits for nothing but its turn. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const PERIOD = 32_000;
const RAMP = Int16Array.from({ length: 3 * PERIOD }, (_, i) => 1 + (i % PERIOD));

/** What samples `start` … of the utterance `key` are, at most 32,000: never silence, no two near each other alike. */
export function samplesOf(key: number, start: number, count: number): Int16Array {
  const from = (start + key * 7919) % PERIOD;
  return RAMP.subarray(from, from + count);
}

/** A source whose sound comes when the test says so; all of it 48 kHz. */
export class ManualSource {
  readonly utterance: Utterance;
  pushed = 0;
  ended = false;
  #pieces: SpeechPiece[] = [];
  #error: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(
    readonly key: number,
    overflow: Overflow = 'wait',
  ) {
    this.utterance = new Utterance((signal) => this.#run(signal), { overflow });
  }

  push(samples: number): void {
    if (this.ended || samples === 0) return;
    const pcm = samplesOf(this.key, this.pushed, samples);
    this.pushed += samples;
    this.#pieces.push({ pcm, sampleRateHz: 48_000, cues: null });
    this.#wake();
  }

  end(error: Error | null = null): void {
    this.ended = true;
    this.#error = error;
    this.#wake();
  }

  async *#run(signal: AbortSignal): AsyncGenerator<SpeechPiece, void, undefined> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const piece = this.#pieces.shift();
      if (piece) yield piece;
      else if (this.#error) throw this.#error;
      else if (this.ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Sound that was heard: `length` samples of `id` from `start` on; of a fade and of silence there is no record. */
export interface Heard {
  id: string;
  start: number;
  samples: Int16Array;
  /** Number of the stage that played it. */
  stage: number;
}

/**
 * A player before stages that can die: their sound path is the real one, their clock is `tick`. What a stage says is
 * delivered by `deliver`, in order; what was not delivered when it dies is lost.
 */
export class PlayerBench {
  readonly events: { name: 'started' | 'ended' | 'interrupted'; id: string; playedMs: number; error: string | null }[] =
    [];
  readonly heard: Heard[] = [];
  /** What was sent in each tick: the id of an utterance, `fade` or `silence`. */
  readonly sent: string[] = [];
  readonly player: UtterancePlayer;
  /** By utterance: samples that were played by stages that died before they could say so. */
  readonly unacknowledged = new Map<string, number>();
  stages = 0;
  droppedSamples = 0;
  #sound: SoundInput | null = null;
  #messages: (() => void)[] = [];
  readonly #played = new Map<string, number>();
  readonly #ahead: AudioChunk[] = [];
  readonly #options: SoundInputOptions;

  constructor(options: Partial<SoundInputOptions> = {}, maxPending = 100) {
    this.#options = { maxQueueSize: 3, jitterBufferMs: 0, ...options };
    const note = (name: 'started' | 'ended' | 'interrupted', id: string, playedMs = 0, error: string | null = null) =>
      void this.events.push({ name, id, playedMs, error });
    this.player = new UtterancePlayer(
      { maxPending: () => maxPending },
      {
        started: ({ id }) => note('started', id),
        interrupted: ({ id }, playedMs) => note('interrupted', id, playedMs),
        ended: ({ id }, playedMs, error) => note('ended', id, playedMs, error?.code ?? null),
      },
    );
  }

  get attached(): boolean {
    return this.#sound !== null;
  }

  /** Chunks that somebody has taken out of the stage's queue. */
  get outstanding(): number {
    return this.#sound?.outstanding ?? 0;
  }

  /** A new stage opens the session. */
  attach(): void {
    if (this.#sound) return;
    this.stages += 1;
    const tell = (message: () => void): void => void this.#messages.push(message);
    const sound = new SoundInput(this.#options, {
      started: (id) => tell(() => this.player.started(id, 0)),
      ended: (id, playedMs) => tell(() => this.player.ended(id, playedMs)),
      dropped: (_id, samples) => (this.droppedSamples += samples),
    });
    this.#sound = sound;
    this.player.attach(this.#port(sound));
  }

  /** The stage is gone, with all that it has not said yet. */
  kill(): void {
    this.#messages = [];
    const known = this.player.current?.utterance;
    const played = known && this.#played.get(known.id);
    if (this.#sound && known && played !== undefined) {
      const before = this.unacknowledged.get(known.id) ?? 0;
      this.unacknowledged.set(known.id, before + played - known.playedSamples);
    }
    this.#sound?.close();
    this.#sound = null;
    this.player.detach();
  }

  /** The stage closes the session in good order: it refuses calls, what it said arrives, then it is gone. */
  async drain(): Promise<void> {
    this.#sound?.close();
    this.#sound = null;
    await settle();
    this.deliver();
    await settle();
    this.player.detach();
  }

  /** 40 ms go by. */
  tick(): void {
    const sound = this.#sound;
    if (!sound) return;
    const chunk = sound.next(this.#ahead);
    this.sent.push(chunk === null ? 'silence' : chunk.utteranceId === FADE ? 'fade' : chunk.utteranceId);
    if (chunk === null) return;
    if (chunk.utteranceId !== FADE) {
      const { utteranceId: id, startSample: start, lengthSamples } = chunk;
      this.heard.push({ id, start, samples: chunk.samples.slice(0, lengthSamples), stage: this.stages });
    }
    sound.played(chunk);
    sound.queue.release(chunk);
    const { utterance } = sound;
    if (!utterance) return;
    const { id, playedSamples } = utterance;
    this.#played.set(id, playedSamples);
    this.#messages.push(() => this.player.played(id, playedSamples));
  }

  /** What the stage said until now reaches the player. */
  deliver(): void {
    for (const message of this.#messages.splice(0)) message();
  }

  /** Ticks until nothing is said any more. */
  async playOut(maxTicks = 1000): Promise<void> {
    this.attach();
    for (let i = 0; i < maxTicks; i++) {
      await settle();
      this.tick();
      this.deliver();
      await settle();
      if (this.player.current === null && this.player.pending.length === 0) return;
    }
    throw new Error(`still playing after ${maxTicks} ticks`);
  }

  interrupt(): Promise<InterruptReport> {
    const report = this.player.interrupt();
    return report;
  }

  #port(sound: SoundInput): PlayerPort {
    const live = async <T>(call: () => T | Promise<T>): Promise<T> => {
      await Promise.resolve(); // the call travels
      if (this.#sound !== sound) throw new DhError('session_not_live', 'closed');
      return call();
    };
    return {
      beginUtterance: (spec) => live(() => sound.begin(spec)),
      pushSound: (id, slice) => live(() => sound.push(id, slice)),
      endUtterance: (id) => live(() => sound.end(id)),
      interrupt: () => live(() => sound.interrupt()),
    };
  }
}
