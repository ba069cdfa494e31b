import { LoopDelay } from '../guard/loop-delay.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import type { GuardState } from '../guard/guard-state.js';
import type { ProcessReading, ServerReading, SessionReading } from '../guard/readings.js';
import type { StageSessionStats } from '../stage/protocol.js';
import type { Clock, Closable } from '../units.js';
import { countHandles, diskFreeBytes, MachineCpu } from './machine-figures.js';
import type { ProcessFigures, ServerStats } from './server-stats.js';
import type { SessionRegistry } from './session-registry.js';
import type { StageProcess } from './stage-process.js';
import { ThreadLoad, readThreadTimes } from './thread-load.js';
import { ownMemory } from '../own-memory.js';

export interface ServerReaderParts {
  stats: Pick<ServerStats, 'processes'>;
  sessions: Pick<SessionRegistry, 'list'>;
  stages: readonly StageProcess[];
  limitBytes: () => number;
  /** Memory of control as its watchdog sees it; null while there is none. */
  controlGuard: () => GuardState | null;
  helperFailures: () => { media: number; bake: number };
  /** What a process that comes and goes has borrowed. */
  lentBytes: (process: string) => number;
  /** Folders whose disks must not fill up. */
  folders: readonly string[];
  clock: Clock;
  /** Milliseconds since 1970. */
  wallClock: () => number;
}

/** Free space changes slowly, and asking may take long on a network disk. */
const DISK_INTERVAL = 10_000;
const DEFAULT_UV_THREADS = 4;

/** Gathers one measurement of the server, from what its parts know and from the system. */
export class ServerReader implements Closable {
  readonly #parts: ServerReaderParts;
  readonly #cpu = new MachineCpu();
  readonly #delay: LoopDelay;
  readonly #threads = new Map<string, ThreadLoad>();
  #disk: { atMs: number; freeBytes: number | null } = { atMs: Number.NEGATIVE_INFINITY, freeBytes: null };
  #askingDisk = false;
  readonly #sent = new Map<string, number>();
  #sentAt: number | null = null;
  readonly #reasons = new Map<number, string>();

  constructor(parts: ServerReaderParts) {
    this.#parts = parts;
    this.#delay = new LoopDelay({ clock: parts.clock });
    for (const stage of parts.stages) stage.on('down', (reason) => this.#reasons.set(stage.index, reason));
  }

  async read(): Promise<ServerReading> {
    const { stats, sessions, stages, limitBytes, helperFailures, clock, wallClock } = this.#parts;
    const now = clock();
    this.#askDisk(now);
    const figures = await stats.processes();
    const processes = await Promise.all(figures.map((process) => this.#process(process, now)));
    return {
      atMs: wallClock(),
      limitBytes: limitBytes(),
      processes,
      sessions: sessions.list().map(({ id, stats: seen }) => sessionReading(id, seen)),
      stages: stages.map(({ index, restarts }) => ({ index, restarts, lastReason: this.#reasons.get(index) ?? null })),
      machineCpuPercent: this.#cpu.next(),
      networkBytesPerS: this.#network(now),
      diskFreeBytes: this.#disk.freeBytes,
      libuv: libuvLoad(),
      helperFailures: helperFailures(),
    };
  }

  close(): void {
    this.#delay.close();
  }

  async #process({ name, pid, rssBytes, cpuPercent }: ProcessFigures, now: number): Promise<ProcessReading> {
    const stage = this.#parts.stages.find((one) => one.pid === pid) ?? null;
    const [times, handles] = await Promise.all([readThreadTimes(pid), countHandles(pid)]);
    const load = this.#threads.get(name) ?? new ThreadLoad();
    this.#threads.set(name, load);
    const { threads, busiestPercent } = load.next(times, now);
    const own = name === 'control';
    const beat = stage?.heartbeat ?? null;
    const guard = own ? this.#parts.controlGuard() : (beat?.guard ?? null);
    const memory = own ? ownMemory() : null;
    return {
      name,
      pid,
      rssBytes,
      cpuPercent,
      heapUsedBytes: memory?.heapUsed ?? beat?.memory.heapUsedBytes ?? null,
      externalBytes: memory?.external ?? beat?.memory.externalBytes ?? null,
      eventLoopDelayMsP99: own ? this.#delay.read().p99 : (beat?.eventLoopDelayMs.p99 ?? null),
      accountedBytes: guard?.accountedBytes ?? (own ? memoryRegistry.accountedBytes() : null),
      unaccountedBytes: guard?.unaccountedBytes ?? null,
      limitBytes: guard?.limitBytes ?? null,
      loanBytes: this.#parts.lentBytes(name),
      threads,
      busiestThreadPercent: busiestPercent,
      handles: handles ?? (own ? process.getActiveResourcesInfo().length : null),
    };
  }

  /** Does not wait: the answer is in a later reading. */
  #askDisk(now: number): void {
    if (this.#askingDisk || now - this.#disk.atMs < DISK_INTERVAL) return;
    this.#askingDisk = true;
    void diskFreeBytes(this.#parts.folders)
      .then((freeBytes) => (this.#disk = { atMs: now, freeBytes }))
      .finally(() => (this.#askingDisk = false));
  }

  #network(now: number): number | null {
    let grown = 0;
    const seen = new Set<string>();
    for (const session of this.#parts.sessions.list()) {
      for (const viewer of session.stats?.viewers ?? []) {
        const key = `${session.id}/${viewer.id}`;
        seen.add(key);
        grown += Math.max(0, viewer.bytesSent - (this.#sent.get(key) ?? 0));
        this.#sent.set(key, viewer.bytesSent);
      }
    }
    for (const key of this.#sent.keys()) if (!seen.has(key)) this.#sent.delete(key);
    const last = this.#sentAt;
    this.#sentAt = now;
    return last === null || now <= last ? null : (1000 * grown) / (now - last);
  }
}

/** A session whose stage is away, or has not told of it yet, shows nothing to nobody. */
function sessionReading(id: string, seen: StageSessionStats | null): SessionReading {
  return {
    id,
    fps: seen?.fps ?? 0,
    targetFps: seen?.targetFps ?? 0,
    processingMsP99: seen?.processingMs.p99 ?? 0,
    queueChunks: seen?.queue.length ?? 0,
    viewers: seen?.viewers.length ?? 0,
  };
}

/**
 * Node tells neither how long the queue of libuv's pool is nor how many of its threads work. The requests for files and
 * names that are under way are known: those above the size of the pool wait.
 */
function libuvLoad(): { poolSize: number; requests: number } {
  const requests = process
    .getActiveResourcesInfo()
    .filter((kind) => /^(FSReq|GetAddrInfoReq|GetNameInfoReq)/.test(kind));
  return { poolSize: Number(process.env['UV_THREADPOOL_SIZE']) || DEFAULT_UV_THREADS, requests: requests.length };
}
