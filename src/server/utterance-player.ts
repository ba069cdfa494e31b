import { DhError, type ErrorJson } from '../errors.js';
import type { Interrupted, UtteranceSpec } from '../stage/protocol.js';
import { SAMPLE_RATE, type SpeechSlice } from '../units.js';
import type { Utterance } from './utterance.js';

/** What the player asks of a stage that has the session open. */
export interface PlayerPort {
  beginUtterance(spec: UtteranceSpec): Promise<void>;
  pushSound(utteranceId: string, slice: SpeechSlice): Promise<void>;
  endUtterance(utteranceId: string): Promise<void>;
  interrupt(): Promise<Interrupted>;
}

/**
 * - `sending`: its sound goes to the stage as fast as that takes it
 * - `draining`: the stage has all of it
 * - `resuming`: its stage is gone; the next one goes on where it was
 *
 * The last three are final: exactly one of them comes, with its event.
 */
export type UtteranceState = 'queued' | 'sending' | 'draining' | 'resuming' | 'done' | 'interrupted' | 'failed';

/** What an interrupt ended: the one that was heard, and those that waited. */
export interface InterruptReport extends Interrupted {
  dropped: string[];
}

export interface PlayerEvents {
  started(utterance: Utterance, frame: number): void;
  /** With `error`: it ended too early, and why. */
  ended(utterance: Utterance, playedMs: number, error: ErrorJson | null): void;
  interrupted(utterance: Utterance, playedMs: number): void;
}

interface Current {
  utterance: Utterance;
  state: UtteranceState;
  started: boolean;
  interrupting: Promise<Interrupted> | null;
  /** Resolved when its state is final. */
  over: Promise<void>;
  finish: () => void;
}

interface Attached {
  port: PlayerPort;
  /** Resolved by `detach`. */
  gone: Promise<void>;
  detach: () => void;
}

/** Errors of a stage that is going away, or is not there yet: its end follows. */
const AWAY: readonly string[] = ['stage_unavailable', 'session_not_live'];

/**
 * Plays the utterances of a session one after another on the stage that is attached. When that goes away the one that
 * plays goes on from the last sample that was played, as soon as another one is attached.
 */
export class UtterancePlayer {
  readonly #maxPending: () => number;
  readonly #events: PlayerEvents;
  #queue: Utterance[] = [];
  #current: Current | null = null;
  #stage: Attached | null = null;
  #feeding = false;
  #closed = false;

  constructor(options: { maxPending: () => number }, events: PlayerEvents) {
    this.#maxPending = options.maxPending;
    this.#events = events;
  }

  /** The utterance that plays; null when none does. */
  get current(): { utterance: Utterance; state: UtteranceState } | null {
    return this.#current;
  }

  /** Utterances that wait for their turn, in order. */
  get pending(): readonly Utterance[] {
    return this.#queue;
  }

  /** Puts an utterance behind those that wait. Throws `queue_full`, and closes it. */
  enqueue(utterance: Utterance): void {
    if (this.#queue.length >= this.#maxPending()) {
      utterance.close();
      throw new DhError('queue_full', `${this.#queue.length} utterances wait in the session already.`, {
        hint: 'Wait for utterance.ended events, or send interrupt: true.',
      });
    }
    this.#queue.push(utterance);
    // The next in line is prepared while the one before it is heard.
    if (this.#queue.length === 1) prepare(utterance);
    void this.#feed();
  }

  /** A stage has the session open, with no sound in it: goes on there. */
  attach(port: PlayerPort): void {
    this.detach();
    let detach!: () => void;
    const gone = new Promise<void>((resolve) => (detach = resolve));
    this.#stage = { port, gone, detach };
    void this.#feed();
  }

  /** The stage is gone, with all sound that it had not played. */
  detach(): void {
    const stage = this.#stage;
    this.#stage = null;
    if (this.#current && !isFinal(this.#current.state)) this.#current.state = 'resuming';
    stage?.detach();
  }

  /** The stage began to play an utterance in frame `frame`. */
  started(utteranceId: string, frame: number): void {
    const current = this.#current;
    if (current?.utterance.id !== utteranceId || current.started) return;
    current.started = true;
    this.#events.started(current.utterance, frame);
  }

  /** The stage has played an utterance up to a sample. */
  played(utteranceId: string, samples: number): void {
    if (this.#current?.utterance.id === utteranceId) this.#current.utterance.acknowledge(samples);
  }

  /** The stage has played an utterance to its end. */
  ended(utteranceId: string, playedMs: number): void {
    const current = this.#current;
    if (current?.utterance.id !== utteranceId) return;
    const { utterance } = current;
    this.#finish(current, utterance.failure ? 'failed' : 'done', () =>
      this.#events.ended(utterance, playedMs, utterance.failure?.toJSON() ?? null),
    );
  }

  /** Ends the one that is heard and all that wait; each has its event. */
  async interrupt(): Promise<InterruptReport> {
    const dropped = this.#dropPending();
    const current = this.#current;
    const heard = current ? await (current.interrupting ??= this.#interrupt(current)) : nothing();
    return { ...heard, dropped };
  }

  /** Ends everything, each with its event, also what a stage still plays. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.#dropPending();
    const current = this.#current;
    if (current)
      this.#finish(current, 'interrupted', () => this.#events.interrupted(current.utterance, playedMsOf(current)));
    this.detach();
  }

  #dropPending(): string[] {
    const pending = this.#queue;
    this.#queue = [];
    for (const utterance of pending) {
      utterance.close();
      this.#events.interrupted(utterance, 0);
    }
    return pending.map(({ id }) => id);
  }

  async #interrupt(current: Current): Promise<Interrupted> {
    const { utterance } = current;
    utterance.close();
    // A stage that is gone plays nothing: what it played last is what was heard.
    const reply = await this.#stage?.port.interrupt().catch(() => null);
    const playedMs = reply?.utteranceId === utterance.id ? reply.playedMs : playedMsOf(current);
    const mine = this.#finish(current, 'interrupted', () => this.#events.interrupted(utterance, playedMs));
    return mine ? { utteranceId: utterance.id, playedMs } : nothing();
  }

  /** The only way into a final state. False: it has one already. */
  #finish(current: Current, state: 'done' | 'interrupted' | 'failed', emit: () => void): boolean {
    if (isFinal(current.state)) return false;
    current.state = state;
    current.utterance.close();
    this.#current = null;
    emit();
    current.finish();
    void this.#feed();
    return true;
  }

  /** Plays what waits, one after another. At most one runs at a time; without a stage it waits for `attach`. */
  async #feed(): Promise<void> {
    if (this.#feeding) return;
    this.#feeding = true;
    while (this.#stage && !this.#closed) {
      this.#current ??= this.#next();
      if (!this.#current) break;
      void this.#send(this.#current, this.#stage);
      await Promise.race([this.#current.over, this.#stage.gone]);
    }
    this.#feeding = false;
  }

  #next(): Current | null {
    const utterance = this.#queue.shift();
    if (!utterance) return null;
    let finish!: () => void;
    const over = new Promise<void>((resolve) => (finish = resolve));
    return { utterance, state: 'queued', started: false, interrupting: null, over, finish };
  }

  /** Settled when the stage has all of it, is gone, or nobody wants more. Never rejects. */
  async #send(current: Current, stage: Attached): Promise<void> {
    const { utterance } = current;
    const { port } = stage;
    const wanted = (): boolean => this.#stage === stage && !isFinal(current.state);
    current.state = 'sending';
    try {
      let sample = utterance.resumeSample;
      await port.beginUtterance({
        ...{ id: utterance.id, overflow: utterance.overflow },
        ...{ startSample: sample, playedSamples: utterance.playedSamples },
      });
      for (;;) {
        const slice = await utterance.from(sample);
        if (!wanted()) return;
        if (slice === null) break;
        await port.pushSound(utterance.id, slice);
        sample = slice.endSample;
        utterance.sent(sample);
        if (!wanted()) return;
      }
      await port.endUtterance(utterance.id);
      if (!wanted()) return;
      current.state = 'draining';
      if (this.#queue[0]) prepare(this.#queue[0]);
    } catch (error) {
      if (wanted()) this.#fail(current, port, DhError.from(error));
    }
  }

  #fail(current: Current, port: PlayerPort, error: DhError): void {
    if (AWAY.includes(error.code)) {
      current.state = 'resuming';
      return;
    }
    const { utterance } = current;
    void port.interrupt().catch(() => undefined);
    this.#finish(current, 'failed', () => this.#events.ended(utterance, playedMsOf(current), error.toJSON()));
  }
}

function prepare(utterance: Utterance): void {
  utterance.prime().catch(() => undefined); // its failure is reported when its turn comes
}

function isFinal(state: UtteranceState): boolean {
  return state === 'done' || state === 'interrupted' || state === 'failed';
}

function nothing(): Interrupted {
  return { utteranceId: null, playedMs: 0 };
}

function playedMsOf({ utterance }: Current): number {
  return Math.round((utterance.playedSamples / SAMPLE_RATE) * 1000);
}
