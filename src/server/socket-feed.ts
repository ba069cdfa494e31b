import type { WebSocket } from 'ws';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import { PushSource } from './push-source.js';
import type { Session } from './session.js';
import { Utterance } from './utterance.js';

/** A live source that sends nothing for this long has finished its utterance, in ms. */
const LIVE_PAUSE = 1_000;
/** Lost live sound is reported at most this often, in ms. */
const REPORT_INTERVAL = 1_000;

/**
 * The sound of one WebSocket: an utterance begins with its first sample and ends with the message `end`, or in live
 * sound after a pause. A source that waits is paused while its sound waits, also for a place among the utterances.
 */
export class SocketFeed implements Closable {
  readonly #client: WebSocket;
  readonly #session: Session;
  readonly #rate: number;
  readonly #live: boolean;
  #source: PushSource | null = null;
  /** Utterances of a source that waits for which the session has no place yet, in order. */
  readonly #unplaced: Utterance[] = [];
  #takingFloor = 0;
  #silence: NodeJS.Timeout | null = null;
  #report: NodeJS.Timeout | null = null;
  #droppedSamples = 0;

  constructor(client: WebSocket, session: Session, rate: number, live: boolean) {
    this.#client = client;
    this.#session = session;
    this.#rate = rate;
    this.#live = live;
    session.on('event', this.#place);
  }

  /** Sound that waits for its turn, and events that the client has not taken yet. */
  get waitingBytes(): number {
    return (this.#source?.waitingBytes ?? 0) + this.#client.bufferedAmount;
  }

  sound(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#source ??= this.#begin();
    if (!this.#source.write(bytes) && !this.#live) this.#client.pause();
    if (!this.#live) return;
    if (this.#silence) this.#silence.refresh();
    else this.#silence = setTimeout(() => this.#end(), LIVE_PAUSE);
  }

  command(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      throw new DhError('bad_request', 'Text messages must be JSON.', {
        hint: '{"type":"interrupt"} or {"type":"end"}',
      });
    }
    const type = (message as { type?: unknown } | null)?.type;
    if (type === 'end') this.#end();
    else if (type === 'interrupt') {
      this.#end();
      this.#forget();
      void this.#session.interrupt();
    } else {
      throw new DhError('bad_request', 'Unknown message type.', { hint: 'Types are: interrupt, end.' });
    }
  }

  /** The client has gone: what has a place among the utterances is still said. Twice is harmless. */
  close(): void {
    this.#end();
    this.#session.off('event', this.#place);
    const unsaid = this.#forget();
    // One for whose turn nobody waits could be followed by any number of others.
    if (unsaid > 0)
      this.#session.warn('queue_full', `A WebSocket left before ${unsaid} of its utterances had a place.`);
    if (this.#report) clearTimeout(this.#report);
    this.#report = null;
    if (this.#droppedSamples > 0) this.#reportDropped();
  }

  #begin(): PushSource {
    const source: PushSource = new PushSource(this.#rate, {
      live: this.#live,
      onDrain: () => this.#resume(),
      onDrop: (samples) => this.#dropped(samples),
    });
    const utterance = new Utterance(
      (signal) => {
        signal.addEventListener('abort', () => {
          if (this.#source === source) this.#source = null;
          this.#resume();
        });
        return source.pieces(signal);
      },
      { overflow: this.#live ? 'drop-oldest' : 'wait' },
    );
    if (this.#live) void this.#takeFloor(utterance);
    else {
      this.#unplaced.push(utterance);
      this.#place();
    }
    return source;
  }

  /**
   * A live speaker cannot wait for a turn: what is said now ends. Nothing more is read until that is done: a client that
   * begins and ends without a pause is slowed down to what the stage can follow.
   */
  async #takeFloor(utterance: Utterance): Promise<void> {
    this.#takingFloor += 1;
    this.#client.pause();
    try {
      await this.#session.interrupt();
      this.#session.enqueue(utterance);
    } catch {
      this.#end();
    } finally {
      this.#takingFloor -= 1;
      this.#resume();
    }
  }

  /** Puts utterances into the session as soon as it has places; the client sends no more until then. */
  readonly #place = (): void => {
    while (this.#unplaced.length > 0 && this.#session.hasPlace) this.#session.enqueue(this.#unplaced.shift()!);
    if (this.#unplaced.length > 0) this.#client.pause();
    else this.#resume();
  };

  #resume(): void {
    if (!this.#client.isPaused || this.#unplaced.length > 0 || this.#takingFloor > 0) return;
    if (this.#live || !this.#source?.full) this.#client.resume();
  }

  #forget(): number {
    const unplaced = this.#unplaced.splice(0);
    for (const utterance of unplaced) utterance.close();
    return unplaced.length;
  }

  #end(): void {
    if (this.#silence) clearTimeout(this.#silence);
    this.#silence = null;
    this.#source?.end();
    this.#source = null;
    this.#resume();
  }

  #dropped(samples: number): void {
    this.#droppedSamples += samples;
    this.#report ??= setTimeout(() => {
      this.#report = null;
      this.#reportDropped();
    }, REPORT_INTERVAL);
  }

  #reportDropped(): void {
    const ms = Math.round((this.#droppedSamples / this.#rate) * 1000);
    this.#droppedSamples = 0;
    this.#session.warn('audio_dropped', `${ms} ms of live sound were lost: its stage could not take it in.`);
  }
}
