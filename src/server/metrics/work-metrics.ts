import type { Registry } from 'prom-client';
import type { PoolFigures } from '../../tasks/work-figures.js';
import { FollowingCounter, FreshGauge } from './families.js';

/** What the server does besides its sessions: alerts, calls of webhooks, worker threads. */
export interface WorkFigures {
  alerts: readonly { name: string; severity: string }[];
  /** Since the start, by name of the alert. */
  alertsRaised: ReadonlyMap<string, number>;
  webhooks: { delivered: number; failed: number };
  pools: readonly Pick<
    PoolFigures,
    'pool' | 'threads' | 'running' | 'waiting' | 'completed' | 'failed' | 'meanMs' | 'p95Ms'
  >[];
}

export class WorkMetrics {
  readonly #gauges;
  readonly #counters;

  constructor(register: Registry) {
    const gauge = (name: string, help: string, labels: string[]) => new FreshGauge(register, name, help, labels);
    const counter = (name: string, help: string, labels: string[]) =>
      new FollowingCounter(register, name, help, labels);
    const ofPool = ['pool'];
    this.#gauges = {
      alerts: gauge('alerts', 'Alerts that are raised now.', ['name', 'severity']),
      threads: gauge('worker_pool_threads', 'Threads of a worker pool.', ofPool),
      running: gauge('worker_pool_tasks_running', 'Tasks that run.', ofPool),
      waiting: gauge('worker_pool_tasks_waiting', 'Tasks that wait for a thread.', ofPool),
      duration: gauge('worker_pool_task_seconds', 'Time that a task takes.', ['pool', 'stat']),
    };
    this.#counters = {
      raised: counter('alerts_raised_total', 'Alerts that were raised.', ['name']),
      webhooks: counter('webhook_deliveries_total', 'Calls of webhooks by what became of them.', ['outcome']),
      tasks: counter('worker_pool_tasks_total', 'Tasks by what became of them.', ['pool', 'outcome']),
    };
  }

  refresh({ alerts, alertsRaised, webhooks, pools }: WorkFigures): void {
    const of = this.#gauges;
    for (const gauge of Object.values(of)) gauge.reset();
    const active = new Map<string, { name: string; severity: string; count: number }>();
    for (const { name, severity } of alerts) {
      const one = active.get(`${name} ${severity}`) ?? { name, severity, count: 0 };
      active.set(`${name} ${severity}`, { ...one, count: one.count + 1 });
    }
    for (const { name, severity, count } of active.values()) of.alerts.set({ name, severity }, count);
    for (const [name, count] of alertsRaised) this.#counters.raised.follow({ name }, count);
    this.#counters.webhooks.follow({ outcome: 'delivered' }, webhooks.delivered);
    this.#counters.webhooks.follow({ outcome: 'failed' }, webhooks.failed);
    for (const one of pools) {
      const label = { pool: one.pool };
      of.threads.set(label, one.threads);
      of.running.set(label, one.running);
      of.waiting.set(label, one.waiting);
      of.duration.set({ ...label, stat: 'mean' }, one.meanMs / 1000);
      of.duration.set({ ...label, stat: 'p95' }, one.p95Ms / 1000);
      this.#counters.tasks.follow({ ...label, outcome: 'completed' }, one.completed);
      this.#counters.tasks.follow({ ...label, outcome: 'failed' }, one.failed);
    }
  }
}
