import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import type { Alert } from '../guard/alerts.js';
import { AlertWatch } from '../guard/alert-watch.js';
import type { GuardState } from '../guard/guard-state.js';
import { historyColumns } from '../guard/readings.js';
import { ResourceMonitor } from '../guard/resource-monitor.js';
import { Webhooks } from '../guard/webhooks.js';
import type { Clock, Closable } from '../units.js';
import type { ServerEvents } from './server-events.js';
import { ServerReader } from './server-reader.js';
import type { ServerStats } from './server-stats.js';
import type { SessionRegistry } from './session-registry.js';
import type { StageProcess } from './stage-process.js';

export interface ServerMonitorParts {
  config: () => Config;
  stats: ServerStats;
  sessions: SessionRegistry;
  stages: readonly StageProcess[];
  limitBytes: () => number;
  /** What a process has borrowed. */
  lentBytes: (process: string) => number;
  controlGuard: () => GuardState | null;
  helperFailures: () => { media: number; bake: number };
  folders: readonly string[];
  events: ServerEvents;
  log: Logger;
  clock: Clock;
}

/** Watches the whole server: measurements with a history, alerts, and whom they are told. */
export class ServerMonitor implements Closable {
  readonly resources: ResourceMonitor;
  readonly alerts: AlertWatch;
  readonly webhooks: Webhooks;
  readonly #reader: ServerReader;
  readonly #parts: ServerMonitorParts;

  constructor(parts: ServerMonitorParts) {
    const { config, stages, clock, log } = parts;
    this.#parts = parts;
    const folders = parts.folders.map((folder) => resolve(folder));
    this.#reader = new ServerReader({ ...parts, folders, wallClock: Date.now });
    const names = ['control', ...stages.map(({ index }) => `stage-${index}`), 'media', 'bake'];
    this.resources = new ResourceMonitor({ read: () => this.#reader.read(), columns: historyColumns(names), clock });
    this.webhooks = new Webhooks({
      settings: () => config().monitor,
      failed: (to, reason) => log.warn({ to, reason }, 'webhook not delivered'),
    });
    this.alerts = new AlertWatch({
      settings: config,
      raised: (alert) => this.#tell('alert.raised', alert),
      cleared: (alert) => this.#tell('alert.cleared', alert),
    });
    this.resources.on('reading', (reading) => this.alerts.look(reading));
  }

  start(): void {
    this.resources.start();
  }

  /** Ends the measurements, and gives messages that wait half a second. Twice is harmless. */
  async close(): Promise<void> {
    this.resources.close();
    this.#reader.close();
    await this.webhooks.close();
  }

  #tell(event: 'alert.raised' | 'alert.cleared', alert: Alert): void {
    const { events, log } = this.#parts;
    const { name, subject, severity, value, limit, unit, message, advice } = alert;
    const level = event === 'alert.cleared' ? 'info' : severity === 'critical' ? 'error' : 'warn';
    log[level]({ alert: name, subject, value, limit, unit, message, advice }, event);
    events.tell(event, alert);
    this.webhooks.send({ event, alert });
  }
}
