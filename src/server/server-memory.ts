import type { Logger } from 'pino';
import type { MemoryConfig } from '../config/schema.js';
import { DhError } from '../errors.js';
import { refusesWork, type GuardEvent, type GuardState } from '../guard/guard-state.js';
import { memoryRegistry, type TrimLevel, type TrimReport } from '../guard/memory-registry.js';
import { MemoryWatchdog, type WatchdogSettings } from '../guard/memory-watchdog.js';
import { collectAllGarbage } from '../tasks/collect-garbage.js';
import type { WorkerPools } from '../tasks/worker-pools.js';
import type { Clock } from '../units.js';
import type { IdleQualityCap } from './idle-quality-cap.js';
import type { ServerLoans } from './server-loans.js';
import type { ServerEvents } from './server-events.js';
import type { ProcessFigures } from './server-stats.js';
import type { StageProcess } from './stage-process.js';
import { ownRssBytes } from '../own-memory.js';

export interface ServerMemoryParts {
  config: () => MemoryConfig;
  loans: ServerLoans;
  stages: readonly StageProcess[];
  idleQuality: IdleQualityCap;
  pools: Pick<WorkerPools, 'collectGarbage'>;
  /** Memory of each process, at most a second old. */
  processes: () => Promise<ProcessFigures[]>;
  /** Whether a process is there now: figures may be of one that has ended since. */
  alive: (pid: number) => boolean;
  events: ServerEvents;
  log: Logger;
  clock: Clock;
}

/** The memory of one process, as `GET /memory` shows it; of those without a watchdog only `rssBytes` is known. */
export interface ProcessMemory extends Partial<Omit<GuardState, 'rssBytes' | 'entries' | 'scopes'>> {
  name: string;
  pid: number | null;
  rssBytes: number;
  /** What it has lent of its part to others, for as long as they need it; `limitBytes` is lower by that. */
  lentBytes?: number;
  entries: GuardState['entries'];
  scopes: GuardState['scopes'];
}

/** How often the processes that have no watchdog of their own are measured, in ms. */
const SAMPLE_INTERVAL = 1_000;

/**
 * The memory of the whole server. Two watchdogs run in control: one over its own process, which trims its caches and
 * refuses work, and one over the sum of all processes, which has every process trim, makes idle pictures cheaper and
 * refuses work. What is lent is not the sum's matter: neither as a part of the limit, nor as memory that is in use, as
 * long as the borrowers keep to it. Each stage has a watchdog of its own besides. Control is never replaced: when nothing
 * is left to give back it says so in the log and takes no new work.
 */
export class ServerMemory {
  readonly #parts: ServerMemoryParts;
  readonly #own: MemoryWatchdog;
  readonly #sum: MemoryWatchdog;
  readonly #sampler: NodeJS.Timeout;
  #timer: NodeJS.Timeout;
  #peakBytes = 0;
  /** By process id: what the last sample of all processes says. */
  #sampled = new Map<number, ProcessFigures>();

  constructor(parts: ServerMemoryParts) {
    const { clock, stages } = parts;
    const config = parts.config();
    this.#parts = parts;
    this.#own = new MemoryWatchdog({
      process: 'control',
      registry: memoryRegistry,
      settings: this.#ownSettings(),
      actions: { refuse: () => undefined },
      clock,
      rss: ownRssBytes,
      gc: globalThis.gc && ((): void => this.#collect()),
      onEvent: (event) => this.#tell(event),
    });
    this.#sum = new MemoryWatchdog({
      process: 'server',
      registry: {
        entries: () => this.#states().flatMap(({ entries }) => entries),
        accountedBytes: () => this.#states().reduce((sum, { accountedBytes }) => sum + accountedBytes, 0),
        trim: (level) => this.#trimNow(level),
      },
      settings: this.#sumSettings(),
      actions: {
        lowerIdleQuality: (on) => parts.idleQuality.set('memory', on ? 'low' : 'full'),
        refuse: () => undefined,
      },
      clock,
      rss: () => this.#keptBytes(),
      onEvent: (event) => this.#tell(event),
    });
    for (const stage of stages) {
      stage.on('guard', (event) => this.#tell(event));
      stage.on('up', () => {
        parts.events.tell('stage', { index: stage.index, what: 'up' });
      });
      stage.on('starved', (waitedMs) => {
        parts.events.tell('stage', { index: stage.index, what: 'starved', waitedMs });
      });
      stage.on('down', (reason) => parts.events.tell('stage', { index: stage.index, what: 'down', reason }));
    }
    this.#sampler = setInterval(() => void this.#sample().catch(ignore), SAMPLE_INTERVAL);
    this.#sampler.unref();
    this.#timer = this.#watch(config.checkIntervalMs);
  }

  /** Control is ready and has no work yet. */
  markBase(): void {
    this.#own.markBase();
  }

  /** New settings and limits, from the next check on. Those of the stages are set by the supervisor. */
  configure(): void {
    this.applyLimits();
    clearInterval(this.#timer);
    this.#timer = this.#watch(this.#parts.config().checkIntervalMs);
  }

  /** What is lent has changed. */
  applyLimits(): void {
    this.#own.configure(this.#ownSettings());
    this.#sum.configure(this.#sumSettings());
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
    const { loans } = this.#parts;
    const { level, step, accountedBytes } = this.#sum.state();
    const rssBytes = this.#sumBytes();
    const processes = this.#processes();
    const sum = (key: 'baseBytes' | 'unaccountedBytes'): number =>
      processes.reduce((total, process) => total + (process[key] ?? 0), 0);
    return {
      atMs: Date.now(),
      ...{ rssBytes, limitBytes: loans.contract.limitMb * 1e6, peakBytes: Math.max(this.#peakBytes, rssBytes) },
      ...{ level, step, accountedBytes },
      lentBytes: loans.lentBytes(),
      ...loans.state(),
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
      this.#peakBytes = Math.max(this.#peakBytes, this.#sumBytes());
      this.#own.check();
      this.#sum.check();
      this.#parts.loans.look();
    }, intervalMs);
    timer.unref();
    return timer;
  }

  #ownSettings(): WatchdogSettings {
    return this.#settings(this.#parts.loans.limitBytes('control'));
  }

  #sumSettings(): WatchdogSettings {
    const { loans } = this.#parts;
    return this.#settings(loans.contract.limitMb * 1e6 - loans.lentBytes());
  }

  #settings(limitBytes: number): WatchdogSettings {
    const { gcIntervalS, softShare, softRelease, hardShare, hardRelease, cooldownMs } = this.#parts.config();
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
    const { loans, stages } = this.#parts;
    const watched: ProcessMemory[] = [{ name: 'control', pid: process.pid, ...this.#own.state() }];
    for (const { index, pid, heartbeat } of stages) {
      if (pid !== null && heartbeat) watched.push({ name: `stage-${index}`, pid, ...heartbeat.guard });
    }
    for (const one of watched) one.lentBytes = loans.lends(one.name);
    const others = this.#others().map(({ name, pid, rssBytes }) => {
      const limitBytes = loans.lentBytes(name);
      return { name, pid, rssBytes, ...(limitBytes > 0 ? { limitBytes } : {}), entries: [], scopes: [] };
    });
    return [...watched, ...others];
  }

  /** The processes that have no watchdog here. */
  #others(): ProcessFigures[] {
    const known = new Set([process.pid]);
    for (const { pid, heartbeat } of this.#parts.stages) if (pid !== null && heartbeat) known.add(pid);
    return [...this.#sampled.values()].filter(({ pid }) => !known.has(pid) && this.#parts.alive(pid));
  }

  #watchedBytes(): number {
    let sum = ownRssBytes();
    for (const { pid, heartbeat } of this.#parts.stages) if (pid !== null && heartbeat) sum += heartbeat.guard.rssBytes;
    return sum;
  }

  #sumBytes(): number {
    return this.#others().reduce((sum, { rssBytes }) => sum + rssBytes, this.#watchedBytes());
  }

  /** What is in use without what borrowers use of their loans. */
  #keptBytes(): number {
    const { loans } = this.#parts;
    return this.#others().reduce(
      (sum, { name, rssBytes }) => sum + Math.max(0, rssBytes - loans.lentBytes(name)),
      this.#watchedBytes(),
    );
  }

  /** What goes at once, so that it can be measured, then the rest: control keeps no time with pictures. */
  #collect(): void {
    globalThis.gc?.();
    void collectAllGarbage();
    void this.#parts.pools.collectGarbage();
  }

  #tell(event: GuardEvent): void {
    const { log, events, loans } = this.#parts;
    const { what, step, detail, ...fields } = event;
    const { process: name, level: at } = fields;
    if (what === 'step' && at !== 'normal') loans.recall(at, name === 'server' ? undefined : name);
    const grave = what === 'warning' || step === 'end-heaviest' || step === 'restart';
    const level = grave ? 'error' : what === 'step' && step !== 'trim' ? 'warn' : 'info';
    log[level]({ ...fields, what, step, detail }, 'memory');
    events.tell('guard', event);
  }
}

/** A stage that went away has nothing to trim; what cannot be measured now stays as it was. */
function ignore(): void {}
