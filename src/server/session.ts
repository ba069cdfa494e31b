import { EventEmitter } from 'node:events';
import type { SessionProfile } from '../config/schema.js';
import { DhError, type ErrorJson } from '../errors.js';
import type { StageSessionStats } from '../stage/protocol.js';
import { checkOffer } from '../stream/sdp-offer.js';
import { SAMPLE_RATE } from '../units.js';
import type { StageProcess } from './stage-process.js';
import { UtterancePlayer, type InterruptReport } from './utterance-player.js';
import type { Utterance } from './utterance.js';

export interface SessionOptions {
  id: string;
  avatar: string;
  preset: string;
  voice: string | undefined;
  profile: SessionProfile;
  maxViewers: number;
  maxPendingUtterances: number;
  /** Its profile was not asked for: it changes when that of the server does. */
  followsServer: boolean;
  /** Path of the avatar, baked for the profile's size; rejects when it cannot be baked. */
  bakedPath: Promise<string>;
  /** Bakes an avatar anew: what `bakedPath` said cannot be used, or not any more. */
  bake: (avatar: string, profile: SessionProfile) => Promise<string>;
}

/** What of a running session can change. A `bakedPath` is given with another avatar or size. */
export type SessionUpdate = Partial<Omit<SessionOptions, 'id' | 'voice' | 'bake'>>;

export type SessionState = 'starting' | 'idle' | 'speaking' | 'down';

/** What a session tells the outside: the names and bodies of the server-sent events. */
export interface SessionEventMap {
  event: [name: SessionEventName, data: Record<string, unknown>];
  closed: [];
}
export type SessionEventName =
  'state' | 'utterance.started' | 'utterance.ended' | 'utterance.interrupted' | 'viewers' | 'warning';

/** An utterance in an answer. */
export interface UtteranceView {
  id: string;
  text?: string;
}

/** Between two attempts to open a session that its stage refused, in ms: the first, and the longest. */
const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

/**
 * A session as control sees it: what it is like, its utterances (`UtterancePlayer`), and its life in a stage. When that
 * is replaced the session is opened again. One that cannot be opened says why and tries again for as long as it exists.
 */
export class Session extends EventEmitter<SessionEventMap> {
  readonly id: string;
  #options: SessionOptions;
  readonly stage: StageProcess;
  readonly #player: UtterancePlayer;
  #open = false;
  #state: SessionState = 'starting';
  #closed = false;
  /** Why it could not be opened; null when it is open, or was not tried yet. */
  #refusal: ErrorJson | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY;
  #stats: StageSessionStats | null = null;
  #changes: Promise<unknown> = Promise.resolve();
  #waitingChanges = 0;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #listeners: [name: string, listener: (...args: never[]) => void][] = [];

  constructor(options: SessionOptions, stage: StageProcess) {
    super();
    this.setMaxListeners(0);
    this.id = options.id;
    this.#options = options;
    this.stage = stage;
    this.#player = new UtterancePlayer(
      { maxPending: () => this.#options.maxPendingUtterances },
      {
        started: ({ id: utteranceId, text }, frame) => {
          this.#setState('speaking');
          this.#emit('utterance.started', { utteranceId, frame, ...(text === undefined ? {} : { text }) });
        },
        interrupted: ({ id: utteranceId }, playedMs) => {
          this.#emit('utterance.interrupted', { utteranceId, playedMs });
          this.#rest();
        },
        ended: ({ id: utteranceId }, playedMs, error) => {
          if (error) this.#emit('warning', { code: error.code, message: error.message, utteranceId });
          this.#emit('utterance.ended', { utteranceId, playedMs, ...(error ? { error } : {}) });
          this.#rest();
        },
      },
    );
    this.#listen();
    if (stage.ready) void this.#reopen();
  }

  /** Changes that wait for the one that is being made. */
  get waitingChanges(): number {
    return this.#waitingChanges;
  }

  /** What it is like now; `update` replaces it. */
  get options(): SessionOptions {
    return this.#options;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The newest figures of the stage; null before the first heartbeat. */
  get stats(): StageSessionStats | null {
    return this.#stats;
  }

  get live(): boolean {
    return this.#open;
  }

  /** Why the session is `down` although its stage runs; null when there is no such reason. */
  get refusal(): ErrorJson | null {
    return this.#refusal;
  }

  /** The utterance that plays and how far it is. */
  get utterance(): (UtteranceView & { playedMs: number }) | null {
    const current = this.#player.current?.utterance;
    return current ? { ...viewOf(current), playedMs: toMs(current.playedSamples) } : null;
  }

  /** Those that wait for their turn, in order. */
  get pending(): UtteranceView[] {
    return this.#player.pending.map(viewOf);
  }

  get waiting(): number {
    return this.#player.pending.length;
  }

  /** Whether another utterance may wait. */
  get hasPlace(): boolean {
    return !this.#closed && this.waiting < this.#options.maxPendingUtterances;
  }

  get ended(): boolean {
    return this.#closed;
  }

  /** Sound of all utterances that is kept for the stage, in bytes. */
  get retainedBytes(): number {
    const waiting = this.#player.pending.reduce((sum, { retainedBytes }) => sum + retainedBytes, 0);
    return waiting + (this.#player.current?.utterance.retainedBytes ?? 0);
  }

  /** Puts an utterance behind those that wait. Throws `queue_full`, `session_not_found`; it is closed then. */
  enqueue(utterance: Utterance): void {
    if (this.#closed) {
      utterance.close();
      throw new DhError('session_not_found', `Session "${this.id}" has ended.`);
    }
    this.#player.enqueue(utterance);
  }

  /** Reports something that its users should know. */
  warn(code: string, message: string): void {
    this.#emit('warning', { code, message });
  }

  /** Ends what is said and what waits. The answer says how much of the first was heard. */
  interrupt(): Promise<InterruptReport> {
    return this.#player.interrupt();
  }

  /**
   * Answers a WHEP offer, which is parsed here: in the stage, text of strangers would share the loop of all pictures.
   * Throws `session_not_live`, `viewer_limit`, `sdp_invalid`, `codec_unsupported`.
   */
  async addViewer(viewerId: string, offer: string): Promise<string> {
    if (!this.#open) throw this.#notLive();
    const checked = checkOffer(offer);
    try {
      return await this.stage.api.addViewer(this.id, viewerId, checked);
    } catch (error) {
      // It died before it could answer: for players that is the same as not being there yet.
      const { code, message, hint } = DhError.from(error);
      if (code !== 'stage_unavailable') throw error;
      throw new DhError('session_not_live', message, { ...(hint === undefined ? {} : { hint }), cause: error });
    }
  }

  /** Whether the stage serves this viewer. Throws `session_not_live` while there is no stage. */
  async hasViewer(viewerId: string): Promise<boolean> {
    if (!this.#open) throw this.#notLive();
    return this.stage.api.hasViewer(this.id, viewerId);
  }

  async removeViewer(viewerId: string): Promise<boolean> {
    return this.#open && this.stage.ready ? this.stage.api.removeViewer(this.id, viewerId) : false;
  }

  /**
   * Changes the running session, one change after the other: `plan` says what, given what it is like when its turn comes.
   * A stage that is replaced later opens the session as it then is. When it cannot be changed everything stays as it
   * was. `idr`: viewers got a new encoder's keyframe. Throws what `plan` throws, `avatar_invalid`, `session_not_found`.
   */
  update(plan: (now: SessionOptions) => SessionUpdate | Promise<SessionUpdate>): Promise<{ idr: boolean }> {
    this.#waitingChanges += 1;
    const done = this.#changes.then(async () => {
      this.#waitingChanges -= 1;
      this.#checkNotEnded(); // nothing is drawn for nobody
      const change = await plan(this.#options);
      const bakedPath = change.bakedPath === undefined ? null : await change.bakedPath;
      return this.#inTurn(() => this.#update(change, bakedPath));
    });
    this.#changes = done.catch(() => undefined);
    return done;
  }

  /** Releases everything that the session holds. Twice is harmless. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.#player.close();
    for (const [name, listener] of this.#listeners) this.stage.off(name as 'up', listener);
    const open = this.#open && this.stage.ready;
    this.#open = false;
    if (open) await this.stage.api.closeSession(this.id).catch(() => undefined);
    this.emit('closed');
  }

  async #update(change: SessionUpdate, bakedPath: string | null): Promise<{ idr: boolean }> {
    this.#checkNotEnded();
    const next = { ...this.#options, ...change };
    let idr = false;
    try {
      if (this.#open) {
        ({ idr } = await this.stage.api.updateSession(this.id, next.profile, bakedPath, next.maxViewers));
      }
    } catch (error) {
      // A stage that went away meanwhile is followed by one that opens the session as it is wanted now.
      if (DhError.from(error).code !== 'stage_unavailable') throw error;
    }
    this.#options = next;
    return { idr };
  }

  #checkNotEnded(): void {
    if (this.#closed) throw new DhError('session_not_found', `Session "${this.id}" has ended.`);
  }

  /** Opening and changing the session in its stage never overlap. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #listen(): void {
    const on = (name: string, listener: (...args: never[]) => void): void => {
      this.#listeners.push([name, listener]);
      this.stage.on(name as 'up', listener);
    };
    on('up', () => void this.#reopen());
    on('down', () => {
      this.#open = false;
      this.#stats = null;
      this.#player.detach();
      this.#setState('down');
      this.#emit('viewers', { count: 0 });
    });
    on('heartbeat', (beat: { sessions: StageSessionStats[] }) => {
      this.#stats = beat.sessions.find(({ id }) => id === this.id) ?? this.#stats;
    });
    on('utteranceStarted', (sessionId: string, utteranceId: string, frame: number) => {
      if (sessionId === this.id) this.#player.started(utteranceId, frame);
    });
    on('utterancePlayed', (sessionId: string, utteranceId: string, samples: number) => {
      if (sessionId === this.id) this.#player.played(utteranceId, samples);
    });
    on('utteranceEnded', (sessionId: string, utteranceId: string, playedMs: number) => {
      if (sessionId === this.id) this.#player.ended(utteranceId, playedMs);
    });
    on('viewersChanged', (sessionId: string, count: number) => {
      if (sessionId === this.id) this.#emit('viewers', { count });
    });
    on('sessionEnded', (sessionId: string, code: string, message: string) => {
      if (sessionId !== this.id) return;
      this.#open = false;
      this.#emit('warning', { code, message });
      void this.close();
    });
    on('warning', (sessionId: string, code: string, message: string) => {
      if (sessionId === this.id) this.#emit('warning', { code, message });
    });
  }

  /** Opens the session in its stage as soon as there is an avatar for it; nothing else waits for that. */
  async #reopen(): Promise<void> {
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    const { bakedPath } = this.#options;
    try {
      const path = await bakedPath;
      await this.#inTurn(() => this.#openWith(path));
    } catch (error) {
      // When the stage died meanwhile the next `up` comes here again.
      const refusal = DhError.from(error);
      if (refusal.code === 'stage_unavailable' || this.#closed || this.#open) return;
      if (this.#options.bakedPath === bakedPath) this.#refused(refusal);
    }
    // It was changed while it waited for the avatar that it had before.
    if (this.#options.bakedPath !== bakedPath) void this.#reopen();
  }

  async #openWith(path: string): Promise<void> {
    const { id, stage } = this;
    if (this.#closed || this.#open || !stage.ready || (await this.#options.bakedPath) !== path) return;
    const { api } = stage;
    const { profile, maxViewers } = this.#options;
    await api.openSession({ id, profile, maxViewers, bakedPath: path });
    if (this.#closed) {
      await api.closeSession(id).catch(() => undefined);
      return;
    }
    this.#open = true;
    this.#refusal = null;
    this.#retryMs = FIRST_RETRY;
    this.#setState(this.#player.current ? 'speaking' : 'idle');
    this.#player.attach({
      beginUtterance: (spec) => api.beginUtterance(id, spec),
      pushSound: (utteranceId, slice) => api.pushSound(id, utteranceId, slice),
      endUtterance: (utteranceId) => api.endUtterance(id, utteranceId),
      interrupt: () => api.interrupt(id),
    });
  }

  /** Says why it is not open, once for each reason, and tries again with an avatar that is baked anew. */
  #refused(error: DhError): void {
    const { code, message } = error;
    if (this.#refusal?.message !== message) this.#emit('warning', { code, message });
    this.#refusal = error.toJSON();
    this.#setState('down');
    this.#retry = setTimeout(() => {
      const { avatar, profile, bake } = this.#options;
      this.#options = { ...this.#options, bakedPath: bake(avatar, profile) };
      this.#options.bakedPath.catch(() => undefined); // `reopen` sees it
      void this.#reopen();
    }, this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY);
  }

  /** Nothing is said any more, unless something waits. */
  #rest(): void {
    if (this.#open && this.#player.pending.length === 0) this.#setState('idle');
  }

  #notLive(): DhError {
    const message = `Session "${this.id}" is ${this.#state === 'down' ? 'restarting' : 'starting'}.`;
    return new DhError('session_not_live', message, { hint: 'Try again in a second.' });
  }

  #setState(state: SessionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit('state', { state });
  }

  #emit(name: SessionEventName, data: Record<string, unknown>): void {
    this.emit('event', name, data);
  }
}

function viewOf({ id, text }: Utterance): UtteranceView {
  return { id, ...(text === undefined ? {} : { text }) };
}

function toMs(samples: number): number {
  return Math.round((samples / SAMPLE_RATE) * 1000);
}
