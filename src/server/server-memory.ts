import type { Logger } from 'pino';
import type { MemoryConfig } from '../config/schema.js';
import { DhError } from '../errors.js';
import { refusesWork, type GuardEvent, type GuardState } from '../guard/guard-state.js';
import { memoryRegistry, type TrimLevel, type TrimReport } from '../guard/memory-registry.js';
import { MemoryWatchdog, type WatchdogSettings } from '../guard/memory-watchdog.js';
import type { Clock } from '../units.js';
import type { IdleQualityCap } from './idle-quality-cap.js';
import type { ServerEvents } from './server-events.js';
import type { ProcessFigures } from './server-stats.js';
import type { StageProcess } from './stage-process.js';

export interface ServerMemoryParts {
  config: MemoryConfig;
  /** Of all processes together, and the part of control. */
  limitBytes: number;
  controlBytes: number;
  stages: readonly StageProcess[];
  idleQuality: IdleQualityCap;
  /** Memory of each process, at most a second old. */
  processes: () => Promise<ProcessFigures[]>;
  events: ServerEvents;
  log: Logger;
  clock: Clock;
}

/** The memory of one process, as `GET /memory` shows it; of those without a watchdog only `rssBytes` is known. */
export interface ProcessMemory extends Partial<Omit<GuardState, 'rssBytes' | 'entries' | 'scopes'>> {
  name: string;
  pid: number | null;
  rssBytes: number;
  entries: GuardState['entries'];
  scopes: GuardState['scopes'];
}

/** How often the processes that have no watchdog of their own are measured, in ms. */
const SAMPLE_INTERVAL = 1_000;

/**
 * The memory of the whole server. Two watchdogs run in control: one over its own process, which trims its caches and
 * refuses work, and one over the sum of all processes, which has every process trim, makes idle pictures cheaper and
 * refuses work. Each stage has its own besides. Control is never replaced: when nothing is left to give back it says so
 * in the log and takes no new work.
 */
export class ServerMemory {
  readonly #parts: ServerMemoryParts;
  readonly #own: MemoryWatchdog;
  readonly #sum: MemoryWatchdog;
  readonly #sampler: NodeJS.Timeout;
  #timer: NodeJS.Timeout;
  /** By process id: what the last sample of all processes says. */
  #sampled = new Map<number, ProcessFigures>();

  constructor(parts: ServerMemoryParts) {
    const { config, clock, stages } = parts;
    this.#parts = parts;
    this.#own = new MemoryWatchdog({
      process: 'control',
      registry: memoryRegistry,
      settings: this.#settings(config, parts.controlBytes),
      actions: { refuse: () => undefined },
      clock,
      rss: () => process.memoryUsage.rss(),
      gc: globalThis.gc && (() => void globalThis.gc?.()),
      onEvent: (event) => this.#tell(event),
    });
    this.#sum = new MemoryWatchdog({
      process: 'server',
      registry: {
        entries: () => this.#states().flatMap(({ entries }) => entries),
        accountedBytes: () => this.#states().reduce((sum, { accountedBytes }) => sum + accountedBytes, 0),
        trim: (level) => this.#trimNow(level),
      },
      settings: this.#settings(config, parts.limitBytes),
      actions: {
        lowerIdleQuality: (on) => parts.idleQuality.set('memory', on ? 'low' : 'full'),
        refuse: () => undefined,
      },
      clock,
      rss: () => this.#sumBytes(),
      onEvent: (event) => this.#tell(event),
    });
    for (const stage of stages) {
      stage.on('guard', (event) => this.#tell(event));
      stage.on('up', () => {
        parts.events.tell('stage', { index: stage.index, what: 'up' });
      });
      stage.on('down', (reason) => parts.events.tell('stage', { index: stage.index, what: 'down', reason }));
    }
    this.#sampler = setInterval(() => void this.#sample(), SAMPLE_INTERVAL);
    this.#sampler.unref();
    this.#timer = this.#watch(config.checkIntervalMs);
  }

  /** Control is ready and has no work yet. */
  markBase(): void {
    this.#own.markBase();
  }

  /** New limits and intervals, from the next check on. Those of the stages are set by whoever divides the memory. */
  configure(config: MemoryConfig, limitBytes: number, controlBytes: number): void {
    this.#own.configure(this.#settings(config, controlBytes));
    this.#sum.configure(this.#settings(config, limitBytes));
    clearInterval(this.#timer);
    this.#timer = this.#watch(config.checkIntervalMs);
  }

  /** Whether a stage takes new work. */
  accepts({ heartbeat }: StageProcess): boolean {
    return !heartbeat || !refusesWork(heartbeat.guard);
  }

  /** Throws `memory_pressure` when the server, or every one of the stages given, takes no new sessions and viewers. */
  admit(what: 'session' | 'viewer', stages: readonly StageProcess[]): void {
    const short = [this.#sum, this.#own].some(({ refuses }) => refuses);
    if (!short && stages.some((stage) => this.accepts(stage))) return;
    throw new DhError('memory_pressure', `Memory is short: no new ${what}s are taken for the moment.`, {
      hint: 'Try again in a few seconds; end a session, or raise memory.maxMemoryMb, when it stays so.',
    });
  }

  /** What `GET /memory` answers. */
  state() {
    const { level, step, rssBytes, limitBytes, accountedBytes, peakBytes } = this.#sum.state();
    const processes = this.#processes();
    const sum = (key: 'baseBytes' | 'unaccountedBytes'): number =>
      processes.reduce((total, process) => total + (process[key] ?? 0), 0);
    return {
      atMs: Date.now(),
      ...{ rssBytes, limitBytes, peakBytes, level, step, accountedBytes },
      baseBytes: sum('baseBytes'),
      unaccountedBytes: sum('unaccountedBytes'),
      processes,
    };
  }

  /** The same without what belongs to single processes: `memory` in `GET /stats`. */
  summary() {
    const { processes: _processes, ...summary } = this.state();
    return summary;
  }

  /** The state of control's own process. */
  own(): GuardState {
    return this.#own.state();
  }

  /** Has every process trim, and says what each gave back. A stage that is away gave nothing. */
  async trim(level: TrimLevel): Promise<{ freedBytes: number; processes: ({ name: string } & TrimReport)[] }> {
    const stages = this.#parts.stages.filter(({ ready }) => ready);
    const reports = await Promise.all(
      stages.map(async ({ index, api }) => {
        const report = await api.trim(level).catch((): TrimReport => ({ freedBytes: 0, users: [] }));
        return { name: `stage-${index}`, ...report };
      }),
    );
    const processes = [{ name: 'control', ...this.#own.trim(level) }, ...reports];
    return { freedBytes: processes.reduce((sum, { freedBytes }) => sum + freedBytes, 0), processes };
  }

  /** Ends both watchdogs. Twice is harmless. */
  close(): void {
    clearInterval(this.#sampler);
    clearInterval(this.#timer);
  }

  #watch(intervalMs: number): NodeJS.Timeout {
    const timer = setInterval(() => {
      this.#own.check();
      this.#sum.check();
    }, intervalMs);
    timer.unref();
    return timer;
  }

  #settings(config: MemoryConfig, limitBytes: number): WatchdogSettings {
    const { gcIntervalS, softShare, softRelease, hardShare, hardRelease, cooldownMs } = config;
    return { limitBytes, gcIntervalS, softShare, softRelease, hardShare, hardRelease, cooldownMs };
  }

  /** Control trims at once, the stages as soon as they hear of it: what they freed shows at the next check. */
  #trimNow(level: TrimLevel): TrimReport {
    for (const stage of this.#parts.stages) if (stage.ready) void stage.api.trim(level).catch(ignore);
    return memoryRegistry.trim(level);
  }

  async #sample(): Promise<void> {
    const figures = await this.#parts.processes();
    this.#sampled = new Map(figures.map((process) => [process.pid, process]));
  }

  #states(): GuardState[] {
    const stages = this.#parts.stages.flatMap(({ heartbeat }) => (heartbeat ? [heartbeat.guard] : []));
    return [this.#own.state(), ...stages];
  }

  /** Those with a watchdog know their memory to a quarter of a second, the others were measured up to a second ago. */
  #processes(): ProcessMemory[] {
    const watched: ProcessMemory[] = [{ name: 'control', pid: process.pid, ...this.#own.state() }];
    for (const { index, pid, heartbeat } of this.#parts.stages) {
      if (pid !== null && heartbeat) watched.push({ name: `stage-${index}`, pid, ...heartbeat.guard });
    }
    const known = new Set(watched.map(({ pid }) => pid));
    const others = [...this.#sampled.values()].filter(({ pid }) => !known.has(pid));
    return [...watched, ...others.map(({ name, pid, rssBytes }) => ({ name, pid, rssBytes, entries: [], scopes: [] }))];
  }

  #sumBytes(): number {
    let sum = process.memoryUsage.rss();
    const known = new Set([process.pid]);
    for (const { pid, heartbeat } of this.#parts.stages) {
      if (pid === null || !heartbeat) continue;
      known.add(pid);
      sum += heartbeat.guard.rssBytes;
    }
    for (const { pid, rssBytes } of this.#sampled.values()) if (!known.has(pid)) sum += rssBytes;
    return sum;
  }

  #tell(event: GuardEvent): void {
    const { log, events } = this.#parts;
    const { what, step, detail, ...fields } = event;
    const grave = what === 'warning' || step === 'end-heaviest' || step === 'restart';
    const level = grave ? 'error' : what === 'step' && step !== 'trim' ? 'warn' : 'info';
    log[level]({ ...fields, what, step, detail }, 'memory');
    events.tell('guard', event);
  }
}

/** A stage that went away has nothing to trim. */
function ignore(): void {}
