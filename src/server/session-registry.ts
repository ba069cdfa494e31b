import { EventEmitter } from 'node:events';
import { ProfileSchema, type Config, type SessionProfile } from '../config/schema.js';
import { loadPreset } from '../config/load.js';
import type { Drawing } from '../avatar/bake-service.js';
import { DhError } from '../errors.js';
import type { MemoryHold } from '../guard/memory-loans.js';
import { memoryRegistry, type MemoryUser } from '../guard/memory-registry.js';
import { Session, type SessionOptions } from './session.js';
import type { StageProcess } from './stage-process.js';
import type { Supervisor } from './supervisor.js';
import { safeParse } from '../config/safe-parse.js';

/** A change can take as long as a drawing: more than so many that wait in a session have no answer in a usual time. */
const MAX_WAITING_CHANGES = 3;
/** Ids of sessions: what is safe in a URL, a file name and a log. */
const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/i;

export interface SessionRequest {
  id?: string | undefined;
  avatar?: string | undefined;
  preset?: string | undefined;
  voice?: string | undefined;
}

/** What to change of a running session; what is left out stays. */
export interface SessionChange {
  avatar?: string | undefined;
  preset?: string | undefined;
  /** Fields of the profile, unchecked. */
  session?: Record<string, unknown> | undefined;
  maxViewers?: number | undefined;
}

/** What the registry needs from the parts that it joins. */
export interface SessionRegistryParts {
  /** The settings in force. */
  config: () => Config;
  supervisor: Supervisor;
  /** Gets back for a session what is lent for long; nothing is lent for long until the result is closed. */
  makeRoom(profile: SessionProfile): Promise<MemoryHold>;
  /** Throws `memory_pressure` or `session_limit` when no new session can be taken. */
  admit(profile: SessionProfile): void;
  /** Whether a stage has memory for another session. */
  accepts(stage: StageProcess, profile: SessionProfile): boolean;
  /** Throws `avatar_not_found`. */
  checkAvatar(name: string): Promise<void>;
  /** Throws `voice_not_found`. */
  checkVoice(name: string): void;
  /** Draws an avatar for a size, for a session that is opened after that (`before`) or goes on meanwhile. */
  draw(avatar: string, profile: SessionProfile, before?: string): Omit<Drawing, 'begun'>;
}

interface RegistryEventMap {
  opened: [Session];
  closed: [Session];
}

/** All sessions of the server, by id. */
export class SessionRegistry extends EventEmitter<RegistryEventMap> {
  readonly #parts: SessionRegistryParts;
  readonly #sessions = new Map<string, Session>();
  /** Sound that is kept until a stage has played it: about 2 s and one slice for each utterance. */
  readonly #utterances: MemoryUser = {
    name: 'utterances',
    owner: 'sessions',
    kind: 'queue',
    figures: () => ({
      bytes: this.list().reduce((sum, { retainedBytes }) => sum + retainedBytes, 0),
      items: this.list().reduce((sum, { waiting, utterance }) => sum + waiting + (utterance ? 1 : 0), 0),
      ...{ limitBytes: null, hits: 0, misses: 0, evictions: 0 },
    }),
  };
  #created = 0;

  constructor(parts: SessionRegistryParts) {
    super();
    this.#parts = parts;
    memoryRegistry.register(this.#utterances);
  }

  /**
   * Settled when there is memory to draw the avatar and it was found to be valid. Throws `memory_pressure`,
   * `session_exists`, `session_limit`, `preset_not_found`, `avatar_not_found`, `avatar_invalid`, `voice_not_found`.
   */
  async create(request: SessionRequest): Promise<Session> {
    const config = this.#parts.config();
    const id = request.id ?? this.#freeId();
    if (!ID.test(id)) {
      throw new DhError('bad_request', 'A session id has 1 to 64 letters, digits, "-" and "_".');
    }
    this.#checkFree(id);
    const preset = request.preset ?? config.preset;
    const profile = request.preset === undefined ? config.session : loadPreset(request.preset).session;
    const avatar = request.avatar ?? config.avatar;
    const voice = request.voice ?? config.voice;
    if (voice !== undefined) this.#parts.checkVoice(voice);
    await this.#parts.checkAvatar(avatar);
    const { maxViewersPerSession: maxViewers, maxPendingUtterances } = config.limits;
    const followsServer = request.preset === undefined;
    const room = await this.#parts.makeRoom(profile);
    try {
      const bake: SessionOptions['bake'] = (avatar, profile) => this.#parts.draw(avatar, profile, id).path;
      return await this.#open({
        ...{ id, avatar, preset, voice, profile, maxViewers, maxPendingUtterances, followsServer, bake },
      });
    } finally {
      room.close();
    }
  }

  async #open(wanted: Omit<SessionOptions, 'bakedPath'>): Promise<Session> {
    const { id, avatar, profile } = wanted;
    this.#checkFree(id); // somebody else may have been faster
    this.#parts.admit(profile);
    const { supervisor } = this.#parts;
    const { loaded, path: bakedPath } = this.#parts.draw(avatar, profile, id);
    const stage = supervisor.assign((stage) => this.#parts.accepts(stage, profile));
    const session = new Session({ ...wanted, bakedPath }, stage);
    this.#sessions.set(id, session);
    session.once('closed', () => {
      this.#sessions.delete(id);
      supervisor.unassign(stage);
      this.emit('closed', session);
    });
    this.emit('opened', session);
    try {
      await loaded;
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  /** The pictures of a stage's sessions, without that of one session. */
  sizesOn(stage: StageProcess, exceptId?: string): SessionProfile[] {
    return this.list().flatMap(({ id, stage: its, options }) =>
      its === stage && id !== exceptId ? [options.profile] : [],
    );
  }

  /**
   * Changes a running session: what the preset says, then what `session` says, then what stays. A new size or avatar is
   * drawn first, which can take a while; everybody watches on meanwhile. Throws `session_not_found`, `queue_full`,
   * `preset_not_found`, `avatar_not_found`, `bad_request` that names the field.
   */
  async update(id: string, change: SessionChange): Promise<{ session: Session; idr: boolean }> {
    const session = this.get(id);
    if (session.waitingChanges >= MAX_WAITING_CHANGES) {
      throw new DhError('queue_full', `${session.waitingChanges} changes of session "${id}" wait already.`, {
        hint: 'Wait for their answers: for each new size or avatar, the avatar is drawn first.',
      });
    }
    const { idr } = await session.update(async (now) => {
      const { avatar = now.avatar, preset = now.preset } = change;
      const base = change.preset === undefined ? now.profile : loadPreset(change.preset).session;
      const profile = change.session === undefined ? base : mergeProfile(base, change.session);
      if (avatar !== now.avatar) await this.#parts.checkAvatar(avatar);
      const redrawn = avatar !== now.avatar || sizeDiffers(profile, now.profile);
      return {
        ...{ avatar, preset, profile },
        followsServer: now.followsServer && change.preset === undefined,
        ...(change.maxViewers === undefined ? {} : { maxViewers: change.maxViewers }),
        ...(redrawn ? { bakedPath: this.#parts.draw(avatar, profile).path } : {}),
      };
    });
    return { session, idr };
  }

  /**
   * Changes all sessions as a change of the configuration asks for: limits of every one; the profile's changed fields of
   * those that asked for no preset, so that what was set for one of them alone stays. One that cannot be changed stays as
   * it was and is told to `onFailed`.
   */
  async configure(config: Config, changed: readonly string[], onFailed: (id: string, error: unknown) => void) {
    const { maxViewersPerSession: maxViewers, maxPendingUtterances } = config.limits;
    const fields = Object.entries(config.session).filter(([name]) => changed.includes(`session.${name}`));
    const profileOf = (now: SessionProfile): SessionProfile => ({ ...now, ...Object.fromEntries(fields) });
    const change = (session: Session): Promise<unknown> =>
      session.update((now) => {
        const limits = { maxViewers, maxPendingUtterances };
        if (!now.followsServer) return limits;
        const profile = profileOf(now.profile);
        const redrawn = sizeDiffers(profile, now.profile);
        return {
          ...{ ...limits, profile, preset: config.preset },
          ...(redrawn ? { bakedPath: this.#parts.draw(now.avatar, profile).path } : {}),
        };
      });
    await Promise.all(
      this.list().map((session) => change(session).catch((error: unknown) => onFailed(session.id, error))),
    );
  }

  /** Throws `session_not_found`. */
  get(id: string): Session {
    const session = this.#sessions.get(id);
    if (session) return session;
    const ids = [...this.#sessions.keys()].slice(0, 5);
    throw new DhError('session_not_found', 'There is no such session.', {
      hint: ids.length > 0 ? `Sessions are: ${ids.join(', ')}.` : 'Create one with POST /api/v1/sessions.',
    });
  }

  list(): Session[] {
    return [...this.#sessions.values()];
  }

  async close(): Promise<void> {
    await Promise.all(this.list().map((session) => session.close()));
  }

  #checkFree(id: string): void {
    if (this.#sessions.has(id)) throw new DhError('session_exists', `Session "${id}" exists already.`);
    const { maxSessions } = this.#parts.config().limits;
    if (this.#sessions.size >= maxSessions) {
      throw new DhError('session_limit', `All ${maxSessions} sessions are in use.`, {
        hint: 'Delete one, or raise limits.maxSessions.',
      });
    }
  }

  #freeId(): string {
    let id: string;
    do id = `s${++this.#created}`;
    while (this.#sessions.has(id));
    return id;
  }
}

function sizeDiffers(a: SessionProfile, b: SessionProfile): boolean {
  return a.width !== b.width || a.height !== b.height;
}

/** A profile with some fields replaced. Throws `bad_request` that names the field. */
function mergeProfile(base: SessionProfile, fields: Record<string, unknown>): SessionProfile {
  const result = safeParse(ProfileSchema, { ...base, ...fields });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new DhError('bad_request', `${['session', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'invalid'}`, {
    hint: 'docs/configuration.md lists the fields of a session.',
  });
}
