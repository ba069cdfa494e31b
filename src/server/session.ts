import { EventEmitter } from 'node:events';
import type { SessionProfile } from '../config/schema.js';
import { DhError } from '../errors.js';
import type { Interrupted, StageSessionStats } from '../stage/protocol.js';
import { SAMPLE_RATE } from '../units.js';
import type { StageProcess } from './stage-process.js';
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
  /** Path of the avatar, drawn for the profile's size; rejects when it cannot be drawn. */
  bakedPath: Promise<string>;
}

/** What of a running session can change. A `bakedPath` is given with another avatar or size. */
export type SessionUpdate = Partial<Omit<SessionOptions, 'id' | 'voice'>>;

export type SessionState = 'starting' | 'idle' | 'speaking' | 'down';

/** What a session tells the outside: the names and bodies of the server-sent events. */
export interface SessionEventMap {
  event: [name: SessionEventName, data: Record<string, unknown>];
  closed: [];
}
export type SessionEventName =
  'state' | 'utterance.started' | 'utterance.ended' | 'utterance.interrupted' | 'viewers' | 'warning';

interface Playing {
  utterance: Utterance;
  started: boolean;
  /** Ends the waiting for the stage: true when it was played to its end. */
  settle: (finished: boolean) => void;
}

/**
 * A session as control sees it: the utterances that wait and the one that plays, fed to the stage piece by piece.
 * When its stage is replaced the session is opened again, and the utterance goes on after the last acknowledged
 * sample.
 */
export class Session extends EventEmitter<SessionEventMap> {
  readonly id: string;
  #options: SessionOptions;
  readonly stage: StageProcess;
  readonly #waiting: Utterance[] = [];
  #playing: Playing | null = null;
  #open = false;
  #state: SessionState = 'starting';
  #closed = false;
  #feeding = false;
  #stats: StageSessionStats | null = null;
  #changes: Promise<unknown> = Promise.resolve();
  #turn: Promise<unknown> = Promise.resolve();
  readonly #listeners: [name: string, listener: (...args: never[]) => void][] = [];

  constructor(options: SessionOptions, stage: StageProcess) {
    super();
    this.setMaxListeners(0);
    this.id = options.id;
    this.#options = options;
    this.stage = stage;
    this.#listen();
    if (stage.ready) void this.#inTurn(() => this.#reopen());
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

  /** The utterance that plays and how far it is. */
  get utterance(): { id: string; playedMs: number; text?: string } | null {
    const current = this.#playing?.utterance;
    if (!current) return null;
    const playedMs = toMs(current.acknowledgedSamples);
    return { id: current.id, playedMs, ...(current.text === undefined ? {} : { text: current.text }) };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sound of all utterances that is kept for the stage, in bytes. */
  get retainedBytes(): number {
    const waiting = this.#waiting.reduce((sum, { retainedBytes }) => sum + retainedBytes, 0);
    return waiting + (this.#playing?.utterance.retainedBytes ?? 0);
  }

  /** Puts an utterance behind those that wait. Throws `queue_full`. */
  enqueue(utterance: Utterance): void {
    if (this.#closed) {
      utterance.close();
      throw new DhError('session_not_found', `Session "${this.id}" has ended.`);
    }
    if (this.#waiting.length >= this.options.maxPendingUtterances) {
      utterance.close();
      throw new DhError('queue_full', `${this.#waiting.length} utterances wait in session "${this.id}" already.`, {
        hint: 'Wait for utterance.ended events, or send interrupt: true.',
      });
    }
    this.#waiting.push(utterance);
    // The next one in line is prepared while the one before it is heard.
    if (this.#waiting.length === 1) utterance.prime().catch(() => undefined);
    void this.#feed();
  }

  /** Ends what is said and forgets what waits. The answer says how much of it was heard. */
  async interrupt(): Promise<Interrupted> {
    for (const utterance of this.#waiting.splice(0)) utterance.close();
    const playing = this.#playing;
    if (!playing) return { utteranceId: null, playedMs: 0 };
    const { utterance } = playing;
    let playedMs = toMs(utterance.acknowledgedSamples);
    utterance.close();
    try {
      const reply = await this.stage.api.interrupt(this.id);
      if (reply.utteranceId === utterance.id) playedMs = reply.playedMs;
    } catch {
      // A stage that is gone plays nothing: what it acknowledged last is what was heard.
    }
    if (this.#playing === playing) {
      playing.settle(false);
      if (!this.#feeding) this.#playing = null; // its stage is away: nobody waits for it
      this.#tell('utterance.interrupted', { utteranceId: utterance.id, playedMs });
    }
    return { utteranceId: utterance.id, playedMs };
  }

  /** Answers a WHEP offer. Throws `session_not_live`, `viewer_limit`, `sdp_invalid`. */
  async addViewer(viewerId: string, offer: string): Promise<string> {
    if (!this.#open) throw this.#notLive();
    try {
      return await this.stage.api.addViewer(this.id, viewerId, offer);
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
    return this.#open ? this.stage.api.removeViewer(this.id, viewerId) : false;
  }

  /**
   * Changes the running session, one change after the other: `plan` says what, given what it is like when its turn comes.
   * A stage that is replaced later opens the session as it then is. When it cannot be changed everything stays as it
   * was. `idr`: viewers got a new encoder's keyframe. Throws what `plan` throws, `avatar_invalid`, `session_not_found`.
   */
  update(plan: (now: SessionOptions) => SessionUpdate | Promise<SessionUpdate>): Promise<{ idr: boolean }> {
    const done = this.#changes.then(async () => {
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
    for (const utterance of this.#waiting.splice(0)) utterance.close();
    this.#playing?.utterance.close();
    this.#playing?.settle(false);
    for (const [name, listener] of this.#listeners) this.stage.off(name as 'up', listener);
    if (this.#open) await this.stage.api.closeSession(this.id).catch(() => undefined);
    this.#open = false;
    this.emit('closed');
  }

  async #update(change: SessionUpdate, bakedPath: string | null): Promise<{ idr: boolean }> {
    if (this.#closed) throw new DhError('session_not_found', `Session "${this.id}" has ended.`);
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
    on('up', () => void this.#inTurn(() => this.#reopen()));
    on('down', () => {
      this.#open = false;
      this.#stats = null;
      this.#setState('down');
      this.#tell('viewers', { count: 0 });
    });
    on('heartbeat', (beat: { sessions: StageSessionStats[] }) => {
      const mine = beat.sessions.find(({ id }) => id === this.id);
      if (!mine) return;
      this.#stats = mine;
      const playing = this.#playing?.utterance;
      if (playing && mine.utterance?.id === playing.id) playing.acknowledge(mine.utterance.playedSamples);
    });
    on('utteranceStarted', (sessionId: string, utteranceId: string, frame: number) => {
      const playing = this.#playing;
      if (sessionId !== this.id || playing?.utterance.id !== utteranceId) return;
      this.#setState('speaking');
      if (playing.started) return;
      playing.started = true;
      const { text } = playing.utterance;
      this.#tell('utterance.started', { utteranceId, frame, ...(text === undefined ? {} : { text }) });
    });
    on('utteranceEnded', (sessionId: string, utteranceId: string, playedMs: number) => {
      const playing = this.#playing;
      if (sessionId !== this.id || playing?.utterance.id !== utteranceId) return;
      playing.utterance.acknowledge(Math.round((playedMs * SAMPLE_RATE) / 1000));
      playing.settle(true);
      this.#tell('utterance.ended', { utteranceId, playedMs });
    });
    on('viewersChanged', (sessionId: string, count: number) => {
      if (sessionId === this.id) this.#tell('viewers', { count });
    });
    on('sessionEnded', (sessionId: string, code: string, message: string) => {
      if (sessionId !== this.id) return;
      this.#open = false;
      this.#tell('warning', { code, message });
      void this.close();
    });
    on('warning', (sessionId: string, code: string, message: string) => {
      if (sessionId === this.id) this.#tell('warning', { code, message });
    });
  }

  async #reopen(): Promise<void> {
    const { id } = this;
    try {
      const { profile, maxViewers, bakedPath } = this.#options;
      const spec = { id, profile, maxViewers, bakedPath: await bakedPath };
      if (this.#closed || this.#open) return;
      await this.stage.api.openSession(spec);
      if (this.#closed) {
        await this.stage.api.closeSession(id).catch(() => undefined);
        return;
      }
      this.#open = true;
      this.#setState(this.#playing ? 'speaking' : 'idle');
      void this.#feed();
    } catch (error) {
      // When the stage died meanwhile the next `up` comes here again; anything else is told and stays down.
      const { code, message } = DhError.from(error);
      if (code === 'stage_unavailable' || this.#closed) return;
      this.#setState('down');
      this.#tell('warning', { code, message });
    }
  }

  /** Plays what waits, one after another. At most one runs at a time. */
  async #feed(): Promise<void> {
    if (this.#feeding) return;
    this.#feeding = true;
    try {
      while (this.#open && !this.#closed) {
        const utterance = this.#playing?.utterance ?? this.#waiting.shift();
        if (!utterance) break;
        await this.#play(utterance);
      }
    } finally {
      this.#feeding = false;
    }
  }

  /** Returns when the utterance ended, was interrupted or failed; or when the stage went away, to be called again. */
  async #play(utterance: Utterance): Promise<void> {
    let settle!: (finished: boolean) => void;
    const settled = new Promise<boolean>((resolve) => (settle = resolve));
    const playing: Playing = { utterance, started: this.#playing?.started ?? false, settle };
    this.#playing = playing;
    let onDown!: () => void;
    const down = new Promise<never>((_, reject) => {
      onDown = () => reject(new DhError('stage_unavailable', 'The stage went away.'));
    });
    down.catch(() => undefined);
    this.stage.once('down', onDown);
    try {
      await Promise.race([this.#send(utterance), settled, down]);
      this.#waiting[0]?.prime().catch(() => undefined);
      await Promise.race([settled, down]);
    } catch (error) {
      const { code, message } = DhError.from(error);
      if (code === 'stage_unavailable') {
        if (!this.#closed) return; // `#playing` stays: the next stage goes on with it
      } else {
        this.#tell('warning', { code, message, utteranceId: utterance.id });
        await this.stage.api.interrupt(this.id).catch(() => undefined);
        this.#tell('utterance.ended', { utteranceId: utterance.id, playedMs: toMs(utterance.acknowledgedSamples) });
      }
    } finally {
      this.stage.off('down', onDown);
    }
    utterance.close();
    this.#playing = null;
    if (this.#open) this.#setState('idle');
  }

  async #send(utterance: Utterance): Promise<void> {
    const { api } = this.stage;
    const startSample = utterance.acknowledgedSamples;
    await api.beginUtterance(this.id, { id: utterance.id, overflow: utterance.overflow, startSample });
    for await (const slice of utterance.remaining()) await api.pushSound(this.id, utterance.id, slice);
    await api.endUtterance(this.id, utterance.id);
  }

  #notLive(): DhError {
    const message = `Session "${this.id}" is ${this.#state === 'down' ? 'restarting' : 'starting'}.`;
    return new DhError('session_not_live', message, { hint: 'Try again in a second.' });
  }

  #setState(state: SessionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell('state', { state });
  }

  #tell(name: SessionEventName, data: Record<string, unknown>): void {
    this.emit('event', name, data);
  }
}

function toMs(samples: number): number {
  return Math.round((samples / SAMPLE_RATE) * 1000);
}
