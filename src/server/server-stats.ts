import pidusage from 'pidusage';
import { processTree } from '../guard/process-tree.js';
import type { PoolFigures } from '../tasks/work-figures.js';
import type { Clock } from '../units.js';
import type { Session } from './session.js';
import type { SessionRegistry } from './session-registry.js';
import type { Supervisor } from './supervisor.js';

export interface ProcessFigures {
  name: string;
  pid: number;
  rssBytes: number;
  cpuPercent: number;
}

export interface ServerStatsParts {
  sessions: SessionRegistry;
  supervisor: Supervisor;
  /** Further children of the server that may come and go; those of one name count as one. */
  otherPids: () => { name: string; pids: number[] }[];
  /**
   * Children that have children of their own, which count as theirs; `toldBytes`: what they themselves say of the
   * memory of all of them.
   */
  trees: () => { name: string; pid: number; toldBytes: number }[];
  /** What is known of the memory of all processes together. */
  memory: () => object;
  memoryLimitBytes: () => number;
  /** Worker threads and processes by type of work. */
  pools: () => PoolFigures[];
  clock: Clock;
}

/** Reading another process's figures costs a few ms: they are kept this long. */
const SAMPLE_AGE_MS = 1_000;
const NO_TIMING = { mean: 0, p50: 0, p99: 0, max: 0 };

/** The figures of the server, as the API shows them. */
/** Of a text that waits, so much is shown. */
const MAX_SHOWN_CHARS = 200;

export class ServerStats {
  readonly #parts: ServerStatsParts;
  readonly #startedAt: number;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #sample: Promise<ProcessFigures[]> = Promise.resolve([]);

  constructor(parts: ServerStatsParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock();
  }

  /** One session: what `GET /sessions/:id` answers. */
  session(session: Session) {
    const { stats, options } = session;
    const { width, height, maxQueueSize } = options.profile;
    return {
      id: session.id,
      avatar: options.avatar,
      preset: options.preset,
      voice: options.voice ?? null,
      state: session.state,
      refusal: session.refusal,
      utterance: session.utterance,
      waiting: session.waiting,
      pending: session.pending.map(({ id, text }) => ({
        ...{ id, ...(text === undefined ? {} : { text: text.slice(0, MAX_SHOWN_CHARS) }) },
      })),
      width,
      height,
      queue: stats?.queue ?? { length: 0, capacity: maxQueueSize, drops: 0 },
      pool: stats?.pool ?? null,
      fps: stats?.fps ?? 0,
      targetFps: stats?.targetFps ?? 0,
      frames: stats?.frames ?? 0,
      originWallMs: stats?.originWallMs ?? null,
      skippedFrames: stats?.skippedFrames ?? 0,
      processingMs: stats?.processingMs ?? NO_TIMING,
      profile: options.profile,
      memory: memoryOf(session),
      viewers: stats?.viewers.length ?? 0,
      viewerStats: stats?.viewers ?? [],
      stage: session.stage.index,
      whepUrl: `/whep/${session.id}`,
    };
  }

  /** The whole server: what `GET /stats` answers. */
  async server() {
    const processes = await this.processes();
    return {
      uptimeS: Math.round((this.#parts.clock() - this.#startedAt) / 1000),
      processes,
      memory: {
        ...this.#parts.memory(),
        rssBytes: processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
        limitBytes: this.#parts.memoryLimitBytes(),
      },
      pools: this.#parts.pools(),
      stages: this.#parts.supervisor.stages.map((stage) => ({
        index: stage.index,
        pid: stage.pid,
        ready: stage.ready,
        restarts: stage.restarts,
        sessions: this.#parts.supervisor.sessionsOf(stage),
      })),
      sessions: this.#parts.sessions.list().map((session) => this.session(session)),
    };
  }

  /** Memory and CPU of each process, at most a second old. */
  processes(): Promise<ProcessFigures[]> {
    const now = this.#parts.clock();
    if (now - this.#sampledAt >= SAMPLE_AGE_MS) {
      this.#sampledAt = now;
      this.#sample = this.#measure();
    }
    return this.#sample;
  }

  /** Whether a process that comes and goes is there now: the figures may be of one that has ended since. */
  alive(pid: number): boolean {
    const { otherPids, trees } = this.#parts;
    return otherPids().some(({ pids }) => pids.includes(pid)) || trees().some((tree) => tree.pid === pid);
  }

  async #measure(): Promise<ProcessFigures[]> {
    const named = [{ name: 'control', pids: [process.pid] }, ...this.#parts.otherPids()];
    for (const { index, pid } of this.#parts.supervisor.stages) {
      if (pid !== null) named.push({ name: `stage-${index}`, pids: [pid] });
    }
    const trees = this.#parts.trees();
    const figures = await Promise.all([
      ...named.map(({ name, pids }) => figuresOf(name, pids)),
      ...trees.map(({ name, pid, toldBytes }) => processTree(pid).then((pids) => figuresOf(name, pids, toldBytes))),
    ]);
    return figures.filter((figure) => figure !== null);
  }

  close(): void {
    pidusage.clear();
  }
}

/** Of processes that count as one, the first of them; null when it died between listing and reading. */
async function figuresOf(name: string, pids: readonly number[], leastBytes = 0): Promise<ProcessFigures | null> {
  const usages = await Promise.all(pids.map((each) => pidusage(each).catch(() => null)));
  const [pid] = pids;
  if (pid === undefined || !usages[0]) return null;
  const sum = (key: 'memory' | 'cpu'): number => usages.reduce((total, usage) => total + (usage?.[key] ?? 0), 0);
  return { name, pid, rssBytes: Math.max(sum('memory'), leastBytes), cpuPercent: Math.round(sum('cpu') * 10) / 10 };
}

/** The memory of a session's stage process, and what of it the session holds, largest first. */
function memoryOf({ id, stage }: Session) {
  const { heartbeat } = stage;
  const entries = (heartbeat?.guard.entries ?? [])
    .filter(({ owner }) => owner === `session ${id}`)
    .sort((a, b) => b.bytes - a.bytes);
  return {
    ...(heartbeat?.memory ?? { rssBytes: 0, heapUsedBytes: 0, externalBytes: 0 }),
    sessionBytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
    entries,
  };
}
