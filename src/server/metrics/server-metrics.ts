import { Registry } from 'prom-client';
import { packageVersion } from '../../entry.js';
import type { GuardEvent, GuardState } from '../../guard/guard-state.js';
import type { LoopDelayFigures } from '../../guard/loop-delay.js';
import type { ServerStats } from '../server-stats.js';
import type { SessionRegistry } from '../session-registry.js';
import type { StageProcess } from '../stage-process.js';
import type { Supervisor } from '../supervisor.js';
import { FollowingCounter, FreshGauge } from './families.js';
import { HttpMetrics } from './http-metrics.js';
import { MemoryMetrics } from './memory-metrics.js';
import { SessionMetrics } from './session-metrics.js';
import { WorkMetrics, type WorkFigures } from './work-metrics.js';

export interface ServerMetricsParts {
  stats: ServerStats;
  supervisor: Supervisor;
  sessions: SessionRegistry;
  /** Alerts, webhooks and worker pools at this moment. */
  work: () => Partial<WorkFigures>;
}

/** What one process tells about itself. */
interface ProcessReport {
  process: string;
  guard: GuardState;
  memory: { heapUsedBytes: number; externalBytes: number };
  eventLoopDelayMs: LoopDelayFigures | null;
}

/**
 * All that `GET /metrics` shows, named as Prometheus asks for: base units (seconds, bytes, ratios), counters end in
 * `_total` and never fall. Counts are taken from heartbeats, so what happened between two scrapes is not lost when a
 * stage is replaced.
 */
export class ServerMetrics {
  readonly http: HttpMetrics;
  readonly #parts: ServerMetricsParts;
  readonly #register = new Registry();
  readonly #sessions: SessionMetrics;
  readonly #memory: MemoryMetrics;
  readonly #work: WorkMetrics;
  readonly #gauges;
  readonly #restarts: FollowingCounter;

  constructor(parts: ServerMetricsParts) {
    this.#parts = parts;
    const gauge = (name: string, help: string, labels: string[] = []) =>
      new FreshGauge(this.#register, name, help, labels);
    const ofProcess = ['process'];
    this.#gauges = {
      build: gauge('build_info', 'Version of the server and of Node; always 1.', ['version', 'node']),
      uptime: gauge('uptime_seconds', 'Time since the server started.'),
      limit: gauge('memory_limit_bytes', 'Memory limit of the whole server.'),
      rss: gauge('process_resident_memory_bytes', 'Resident memory by process.', ofProcess),
      cpu: gauge('process_cpu_ratio', 'Cores in use by process.', ofProcess),
      heap: gauge('process_heap_used_bytes', 'JavaScript heap in use by process.', ofProcess),
      external: gauge('process_external_memory_bytes', "Memory outside V8's heap that JavaScript holds.", ofProcess),
      loop: gauge('event_loop_delay_seconds', 'Delay of the event loop in the last second.', ['process', 'stat']),
      stageUp: gauge('stage_up', 'Whether a stage process is ready.', ['stage']),
    };
    this.#restarts = new FollowingCounter(this.#register, 'stage_restarts_total', 'Replacements of a stage process.', [
      'stage',
    ]);
    this.http = new HttpMetrics(this.#register);
    this.#memory = new MemoryMetrics(this.#register);
    this.#sessions = new SessionMetrics(this.#register);
    this.#work = new WorkMetrics(this.#register);
    parts.sessions.on('opened', (session) => this.#sessions.watch(session));
    for (const stage of parts.supervisor.stages) this.#listen(stage);
  }

  /** The text that Prometheus reads, and its content type. */
  async render(): Promise<{ type: string; text: string }> {
    const snapshot = await this.#parts.stats.server();
    const of = this.#gauges;
    for (const gauge of Object.values(of)) gauge.reset();
    of.build.set({ version: packageVersion(), node: process.version }, 1);
    of.uptime.set({}, snapshot.uptimeS);
    of.limit.set({}, snapshot.memory.limitBytes);
    for (const { name, rssBytes, cpuPercent } of snapshot.processes) {
      of.rss.set({ process: name }, rssBytes);
      of.cpu.set({ process: name }, cpuPercent / 100);
    }
    for (const { index, ready, restarts } of snapshot.stages) {
      of.stageUp.set({ stage: String(index) }, ready ? 1 : 0);
      this.#restarts.follow({ stage: String(index) }, restarts);
    }
    const reports = this.#reports();
    for (const { process, memory, eventLoopDelayMs } of reports) {
      of.heap.set({ process }, memory.heapUsedBytes);
      of.external.set({ process }, memory.externalBytes);
      for (const [stat, ms] of Object.entries(eventLoopDelayMs ?? {})) of.loop.set({ process, stat }, ms / 1000);
    }
    this.#memory.refresh(reports.map(({ process, guard }) => ({ process, state: guard })));
    this.#sessions.refresh(snapshot);
    const none = { alerts: [], alertsRaised: new Map(), webhooks: { delivered: 0, failed: 0 }, pools: [] };
    this.#work.refresh({ ...none, ...this.#parts.work() });
    return { type: this.#register.contentType, text: await this.#register.metrics() };
  }

  #listen(stage: StageProcess): void {
    stage.on('heartbeat', (beat) => {
      const ids = new Set(this.#parts.sessions.list().map(({ id }) => id));
      this.#sessions.heard(beat, (id) => ids.has(id));
    });
    stage.on('guard', (event: GuardEvent) => this.#memory.stepped(event));
  }

  #reports(): ProcessReport[] {
    return this.#parts.supervisor.stages.flatMap(({ index, heartbeat }) =>
      heartbeat ? [{ process: `stage-${index}`, ...heartbeat }] : [],
    );
  }
}
