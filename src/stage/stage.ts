import { loadBaked, type BakedAvatar } from '../avatar/baked.js';
import { DhError } from '../errors.js';
import type { GuardState } from '../guard/guard-state.js';
import { ImageCache } from '../guard/image-cache.js';
import type { WatchdogActions } from '../guard/memory-watchdog.js';
import type { TrimLevel, TrimReport } from '../guard/memory-registry.js';
import { memoryScope, monitored } from '../guard/memory-scope.js';
import type { LoopDelayFigures } from '../guard/loop-delay.js';
import type { IdleQuality } from '../config/schema.js';
import type { StageOptions } from './options.js';
import type { CheckedOffer } from '../stream/sdp-offer.js';
import type { Heartbeat, SessionSpec, ShutdownReport, StageApi, StageEvents } from './protocol.js';
import { StageSession } from './session.js';
import { ownMemory } from '../own-memory.js';

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
  readonly #events: Omit<StageEvents, 'ready' | 'failed'>;
  readonly #sessions = new Map<string, StageSession>();
  /** Ids of sessions that are being opened. */
  readonly #opening = new Set<string>();
  /** Drawn avatars: shared by all sessions that show them, and kept for a while when nobody does. */
  readonly #avatars: ImageCache<BakedAvatar>;
  readonly #host: StageHost;
  #wantedIdleCap: IdleQuality = 'full';
  /** The watchdog wants cheap idle pictures. */
  #pressed = false;
  #refusing = false;
  readonly #outstanding = { frames: 0, chunks: 0 };
  #seed = 1;

  constructor(options: StageOptions, events: Omit<StageEvents, 'ready' | 'failed'>, host: StageHost) {
    this.#options = options;
    this.#events = events;
    this.#host = host;
    this.#avatars = new ImageCache({
      ...{ owner: 'avatars', name: 'drawn avatars' },
      limitBytes: options.memory.imageCacheBytes,
      bytesOf: ({ bytes }) => bytes,
    });
  }

  readonly api: StageApi = {
    openSession: monitored('open session', (spec) => this.#open(spec)),
    closeSession: async (id) => this.#closeOne(id),
    beginUtterance: async (sessionId, spec) => this.#get(sessionId).begin(spec),
    pushSound: (sessionId, utteranceId, slice) => this.#get(sessionId).push(utteranceId, slice),
    endUtterance: async (sessionId, utteranceId) => this.#get(sessionId).end(utteranceId),
    interrupt: async (sessionId) => this.#get(sessionId).interrupt(),
    addViewer: async (sessionId, viewerId, offer) => this.#addViewer(sessionId, viewerId, offer),
    hasViewer: async (sessionId, viewerId) => this.#sessions.get(sessionId)?.hasViewer(viewerId) ?? false,
    removeViewer: async (sessionId, viewerId) => this.#sessions.get(sessionId)?.removeViewer(viewerId) ?? false,
    updateSession: async (id, profile, bakedPath, maxViewers) =>
      this.#get(id).update({ profile, bakedPath, maxViewers }),
    updateMemory: async (memory) => this.#updateMemory(memory),
    capIdleQuality: async (quality) => {
      this.#wantedIdleCap = quality;
      this.#applyIdleCap();
    },
    trim: async (level) => this.#host.trim(level),
    shutdown: async () => this.#shutdown(),
  };

  /** What the memory watchdog can do here. */
  readonly relief: Required<Omit<WatchdogActions, 'restart'>> = {
    lowerIdleQuality: (on) => {
      this.#pressed = on;
      this.#applyIdleCap();
    },
    refuse: (on) => (this.#refusing = on),
    endHeaviest: () => this.#endHeaviest(),
  };

  heartbeat(): Heartbeat {
    const { rss, heapUsed, external } = ownMemory();
    return {
      memory: { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external },
      sessions: [...this.#sessions.values()].map((session) => session.stats()),
      guard: this.#host.guardState(),
      eventLoopDelayMs: this.#host.loopDelay(),
    };
  }

  async #open(spec: SessionSpec): Promise<void> {
    const { id } = spec;
    if (this.#sessions.has(id) || this.#opening.has(id)) {
      throw new DhError('session_exists', `Session "${id}" exists already.`);
    }
    this.#mustTakeWork();
    this.#opening.add(id);
    try {
      const session = await StageSession.open(spec, {
        options: this.#options,
        borrow: (path) => this.#avatars.borrow(path, () => memoryScope('load avatar', () => loadBaked(path))),
        seed: this.#seed++,
        events: {
          started: (utteranceId, frame) => this.#events.utteranceStarted(id, utteranceId, frame),
          played: (utteranceId, playedSamples) => this.#events.utterancePlayed(id, utteranceId, playedSamples),
          ended: (utteranceId, playedMs) => this.#events.utteranceEnded(id, utteranceId, playedMs),
          viewersChanged: (count) => this.#events.viewersChanged(id, count),
          warning: (code, message) => this.#events.warning(id, code, message),
        },
      });
      session.capIdleQuality(this.#idleCap);
      this.#sessions.set(id, session);
      // Closed while it was being opened.
      if (!this.#opening.has(id)) this.#closeOne(id);
    } finally {
      this.#opening.delete(id);
    }
  }

  #addViewer(sessionId: string, viewerId: string, offer: CheckedOffer): Promise<string> {
    const session = this.#get(sessionId);
    this.#mustTakeWork();
    return session.addViewer(viewerId, offer);
  }

  #mustTakeWork(): void {
    if (!this.#refusing) return;
    throw new DhError('memory_pressure', 'The server is short of memory and takes no new sessions and viewers.', {
      hint: 'Try again in some seconds, end a session, or raise memory.maxMemoryMb.',
    });
  }

  #applyIdleCap(): void {
    for (const session of this.#sessions.values()) session.capIdleQuality(this.#idleCap);
  }

  /** The cheaper of what control wants and what the watchdog wants. */
  get #idleCap(): IdleQuality {
    return this.#pressed ? 'low' : this.#wantedIdleCap;
  }

  #updateMemory(memory: StageOptions['memory']): void {
    this.#avatars.configure({ limitBytes: memory.imageCacheBytes });
    this.#host.configureMemory(memory);
  }

  /** Ends the session that holds most. One alone stays: a fresh process serves it better than none. */
  #endHeaviest(): string | null {
    if (this.#sessions.size < 2) return null;
    const [heaviest] = [...this.#sessions.values()].sort((a, b) => b.bytes - a.bytes);
    if (!heaviest) return null;
    const { id, bytes } = heaviest;
    this.#closeOne(id);
    this.#events.sessionEnded(
      id,
      'memory_pressure',
      `The server was short of memory; this session held most of it (${Math.round(bytes / 1e6)} MB) and was ended.`,
    );
    return id;
  }

  #closeOne(id: string): void {
    this.#opening.delete(id);
    const session = this.#sessions.get(id);
    if (!session) return;
    this.#sessions.delete(id);
    session.close();
    const { frames, chunks } = session.outstanding;
    this.#outstanding.frames += frames;
    this.#outstanding.chunks += chunks;
  }

  #shutdown(): ShutdownReport {
    const entries = [...this.#sessions.values()];
    const counts = {
      sessions: entries.length,
      viewers: entries.reduce((sum, { viewerCount }) => sum + viewerCount, 0),
    };
    for (const { id } of entries) this.#closeOne(id);
    this.#avatars.close();
    this.#host.onShutdown();
    return {
      ...counts,
      framesOutstanding: this.#outstanding.frames,
      chunksOutstanding: this.#outstanding.chunks,
    };
  }

  #get(id: string): StageSession {
    const session = this.#sessions.get(id);
    if (session) return session;
    throw new DhError('session_not_live', `Session "${id}" is not open in its stage.`);
  }
}
