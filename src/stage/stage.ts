import { loadBaked, type BakedAvatar } from '../avatar/baked.js';
import { DhError } from '../errors.js';
import type { GuardState } from '../guard/guard-state.js';
import type { TrimLevel, TrimReport } from '../guard/memory-registry.js';
import type { LoopDelayFigures } from '../guard/loop-delay.js';
import type { IdleQuality, SessionProfile } from '../config/schema.js';
import type { StageOptions } from './options.js';
import type { Heartbeat, SessionSpec, ShutdownReport, StageApi, StageEvents } from './protocol.js';
import { StageSession } from './session.js';

interface SharedAvatar {
  baked: Promise<BakedAvatar>;
  users: number;
}

/** What the process around the sessions gives and does. */
export interface StageHost {
  guardState(): GuardState;
  /** Sets limits and intervals of the memory watchdog. */
  configureMemory(memory: StageOptions['memory']): void;
  /** Empties caches and collects garbage. */
  trim(level: TrimLevel): TrimReport;
  loopDelay(): LoopDelayFigures;
  onShutdown(): void;
}

/** What control calls, on the sessions of this process. Baked avatars are shared by the sessions that show them. */
export class Stage {
  readonly #options: StageOptions;
  readonly #events: StageEvents;
  readonly #sessions = new Map<string, { session: StageSession; bakedPath: string }>();
  readonly #avatars = new Map<string, SharedAvatar>();
  readonly #host: StageHost;
  #idleCap: IdleQuality = 'full';
  readonly #outstanding = { frames: 0, chunks: 0 };
  #seed = 1;

  constructor(options: StageOptions, events: StageEvents, host: StageHost) {
    this.#options = options;
    this.#events = events;
    this.#host = host;
  }

  readonly api: StageApi = {
    openSession: (spec) => this.#open(spec),
    closeSession: async (id) => this.#closeOne(id),
    beginUtterance: async (sessionId, spec) => this.#get(sessionId).begin(spec),
    pushSound: (sessionId, utteranceId, slice) => this.#get(sessionId).push(utteranceId, slice),
    endUtterance: async (sessionId, utteranceId) => this.#get(sessionId).end(utteranceId),
    interrupt: async (sessionId) => this.#get(sessionId).interrupt(),
    addViewer: (sessionId, viewerId, offer) => this.#get(sessionId).addViewer(viewerId, offer),
    removeViewer: async (sessionId, viewerId) => this.#sessions.get(sessionId)?.session.removeViewer(viewerId) ?? false,
    updateSession: (id, profile, bakedPath, maxViewers) => this.#update(id, profile, bakedPath, maxViewers),
    updateMemory: async (memory) => this.#host.configureMemory(memory),
    capIdleQuality: async (quality) => this.#capIdleQuality(quality),
    trim: async (level) => this.#host.trim(level),
    shutdown: async () => this.#shutdown(),
  };

  heartbeat(): Heartbeat {
    const { rss, heapUsed, external } = process.memoryUsage();
    return {
      memory: { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external },
      sessions: [...this.#sessions.values()].map(({ session }) => session.stats()),
      guard: this.#host.guardState(),
      eventLoopDelayMs: this.#host.loopDelay(),
    };
  }

  async #open(spec: SessionSpec): Promise<void> {
    if (this.#sessions.has(spec.id)) throw new DhError('session_exists', `Session "${spec.id}" exists already.`);
    const baked = await this.#borrow(spec.bakedPath);
    const { id } = spec;
    const session = new StageSession(spec, this.#options, baked, this.#seed++, {
      started: (utteranceId, frame) => this.#events.utteranceStarted(id, utteranceId, frame),
      ended: (utteranceId, playedMs) => this.#events.utteranceEnded(id, utteranceId, playedMs),
      viewersChanged: (count) => this.#events.viewersChanged(id, count),
      warning: (code, message) => this.#events.warning(id, code, message),
    });
    session.capIdleQuality(this.#idleCap);
    this.#sessions.set(id, { session, bakedPath: spec.bakedPath });
  }

  async #update(
    id: string,
    profile: SessionProfile,
    bakedPath: string | null,
    maxViewers: number,
  ): Promise<{ idr: boolean }> {
    const session = this.#get(id);
    if (bakedPath !== null || session.needsNewEncoder(profile)) {
      throw new DhError('config_fixed', 'The size and the x264 preset of a running session cannot be changed.');
    }
    session.update(profile, maxViewers);
    return { idr: false };
  }

  #capIdleQuality(quality: IdleQuality): void {
    this.#idleCap = quality;
    for (const { session } of this.#sessions.values()) session.capIdleQuality(quality);
  }

  #closeOne(id: string): void {
    const entry = this.#sessions.get(id);
    if (!entry) return;
    this.#sessions.delete(id);
    entry.session.close();
    const { frames, chunks } = entry.session.outstanding;
    this.#outstanding.frames += frames;
    this.#outstanding.chunks += chunks;
    this.#giveBack(entry.bakedPath);
  }

  #shutdown(): ShutdownReport {
    const entries = [...this.#sessions.values()].map(({ session }) => session);
    const counts = {
      sessions: entries.length,
      viewers: entries.reduce((sum, { viewerCount }) => sum + viewerCount, 0),
    };
    for (const { id } of entries) this.#closeOne(id);
    this.#host.onShutdown();
    return {
      ...counts,
      framesOutstanding: this.#outstanding.frames,
      chunksOutstanding: this.#outstanding.chunks,
    };
  }

  #get(id: string): StageSession {
    const entry = this.#sessions.get(id);
    if (entry) return entry.session;
    throw new DhError('session_not_live', `Session "${id}" is not open in its stage.`);
  }

  async #borrow(path: string): Promise<BakedAvatar> {
    const shared = this.#avatars.get(path) ?? { baked: loadBaked(path), users: 0 };
    this.#avatars.set(path, shared);
    shared.users += 1;
    try {
      return await shared.baked;
    } catch (error) {
      this.#giveBack(path);
      throw error;
    }
  }

  #giveBack(path: string): void {
    const shared = this.#avatars.get(path);
    if (shared && --shared.users === 0) this.#avatars.delete(path);
  }
}
