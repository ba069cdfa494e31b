import { Registry } from 'prom-client';
import { packageVersion } from '../../entry.js';
import type { GuardEvent } from '../../guard/guard-state.js';
import type { ServerReading } from '../../guard/readings.js';
import type { PoolFigures } from '../../tasks/work-figures.js';
import type { ServerEvents } from '../server-events.js';
import type { ServerMemory } from '../server-memory.js';
import type { ServerMonitor } from '../server-monitor.js';
import type { ServerStats } from '../server-stats.js';
import type { SessionRegistry } from '../session-registry.js';
import type { StageProcess } from '../stage-process.js';
import { FollowingCounter, FreshGauge } from './families.js';
import { HttpMetrics } from './http-metrics.js';
import { MemoryMetrics } from './memory-metrics.js';
import { SessionMetrics } from './session-metrics.js';
import { WorkMetrics } from './work-metrics.js';

export interface ServerMetricsParts {
  stats: ServerStats;
  memory: ServerMemory;
  monitor: ServerMonitor;
  stages: readonly StageProcess[];
  sessions: SessionRegistry;
  pools: () => readonly PoolFigures[];
  events: ServerEvents;
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
      threads: gauge('process_threads', 'Threads by process.', ofProcess),
      handles: gauge('process_open_handles', 'Open file descriptors by process.', ofProcess),
      loop: gauge('event_loop_delay_seconds', 'Delay of the event loop in the last second.', ['process', 'stat']),
      stageUp: gauge('stage_up', 'Whether a stage process is ready.', ['stage']),
      machineCpu: gauge('machine_cpu_ratio', 'CPU of the machine in use by all programs, 0 to 1.'),
      disk: gauge('disk_free_bytes', 'Free space where the server writes.'),
      libuvThreads: gauge('libuv_pool_threads', "Threads of libuv's pool in control."),
      libuvRequests: gauge('libuv_pool_requests', "Requests that libuv's pool in control works on or keeps waiting."),
    };
    const help = 'Replacements of a stage process.';
    this.#restarts = new FollowingCounter(this.#register, 'stage_restarts_total', help, ['stage']);
    this.http = new HttpMetrics(this.#register);
    this.#memory = new MemoryMetrics(this.#register);
    this.#sessions = new SessionMetrics(this.#register);
    this.#work = new WorkMetrics(this.#register, parts.events);
    parts.sessions.on('opened', (session) => this.#sessions.watch(session));
    parts.events.on('event', (name, data) => {
      if (name === 'guard') this.#memory.stepped(data as GuardEvent);
    });
    for (const stage of parts.stages) {
      stage.on('heartbeat', (beat) => {
        const ids = new Set(parts.sessions.list().map(({ id }) => id));
        this.#sessions.heard(beat, (id) => ids.has(id));
      });
    }
  }

  /** The text that Prometheus reads, and its content type. */
  async render(): Promise<{ type: string; text: string }> {
    const { stats, memory, monitor, stages, pools } = this.#parts;
    const snapshot = await stats.server();
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
    if (monitor.resources.latest) this.#measured(monitor.resources.latest);
    const guards = [{ process: 'control', state: memory.own() }];
    for (const { index, heartbeat } of stages) {
      if (!heartbeat) continue;
      guards.push({ process: `stage-${index}`, state: heartbeat.guard });
      for (const [stat, ms] of Object.entries(heartbeat.eventLoopDelayMs)) {
        of.loop.set({ process: `stage-${index}`, stat }, ms / 1000);
      }
    }
    this.#memory.refresh(guards, memory.summary());
    this.#sessions.refresh(snapshot);
    this.#work.refresh(monitor, pools());
    return { type: this.#register.contentType, text: await this.#register.metrics() };
  }

  /** What the resource monitor saw in the last second. */
  #measured({ processes, machineCpuPercent, diskFreeBytes, libuv }: ServerReading): void {
    const of = this.#gauges;
    for (const { name, heapUsedBytes, externalBytes, threads, handles, eventLoopDelayMsP99 } of processes) {
      const label = { process: name };
      of.heap.set(label, heapUsedBytes);
      of.external.set(label, externalBytes);
      of.threads.set(label, threads);
      of.handles.set(label, handles);
      if (eventLoopDelayMsP99 !== null) of.loop.set({ ...label, stat: 'p99' }, eventLoopDelayMsP99 / 1000);
    }
    of.machineCpu.set({}, machineCpuPercent === null ? null : machineCpuPercent / 100);
    of.disk.set({}, diskFreeBytes);
    of.libuvThreads.set({}, libuv.poolSize);
    of.libuvRequests.set({}, libuv.requests);
  }
}
