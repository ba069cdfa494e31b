import { loadBaked, type BakedAvatar } from '../avatar/baked.js';
import { DhError } from '../errors.js';
import type { StageOptions } from './options.js';
import type { Heartbeat, SessionSpec, ShutdownReport, StageApi, StageEvents } from './protocol.js';
import { StageSession } from './session.js';

interface SharedAvatar {
  baked: Promise<BakedAvatar>;
  users: number;
}

/** What control calls, on the sessions of this process. Baked avatars are shared by the sessions that show them. */
export class Stage {
  readonly #options: StageOptions;
  readonly #events: StageEvents;
  readonly #sessions = new Map<string, { session: StageSession; bakedPath: string }>();
  readonly #avatars = new Map<string, SharedAvatar>();
  readonly #onShutdown: () => void;
  readonly #outstanding = { frames: 0, chunks: 0 };
  #seed = 1;

  constructor(options: StageOptions, events: StageEvents, onShutdown: () => void) {
    this.#options = options;
    this.#events = events;
    this.#onShutdown = onShutdown;
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
    shutdown: async () => this.#shutdown(),
  };

  heartbeat(): Heartbeat {
    const { rss, heapUsed, external } = process.memoryUsage();
    return {
      memory: { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external },
      sessions: [...this.#sessions.values()].map(({ session }) => session.stats()),
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
    this.#sessions.set(id, { session, bakedPath: spec.bakedPath });
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
    this.#onShutdown();
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
