import type { Registry } from 'prom-client';
import type { ServerEvents } from '../server-events.js';
import type { ServerMonitor } from '../server-monitor.js';
import type { PoolFigures } from '../../tasks/work-figures.js';
import { FollowingCounter, FreshGauge } from './families.js';

/** What the server does besides its sessions: alerts, calls of webhooks, worker threads and helper processes. */
export class WorkMetrics {
  readonly #gauges;
  readonly #counters;

  /** Counts the alerts that are told as events. */
  constructor(register: Registry, events: ServerEvents) {
    const gauge = (name: string, help: string, labels: string[] = []) => new FreshGauge(register, name, help, labels);
    const counter = (name: string, help: string, labels: string[]) =>
      new FollowingCounter(register, name, help, labels);
    const ofPool = ['pool'];
    this.#gauges = {
      alerts: gauge('alerts', 'Alerts that are raised now.', ['name', 'severity']),
      webhooksWaiting: gauge('webhook_messages_waiting', 'Messages that wait for a webhook.', ['to']),
      threads: gauge('worker_pool_threads', 'Threads and processes of a worker pool.', ofPool),
      limit: gauge('worker_pool_threads_limit', 'Most threads and processes of a worker pool.', ofPool),
      running: gauge('worker_pool_tasks_running', 'Tasks that run.', ofPool),
      waiting: gauge('worker_pool_tasks_waiting', 'Tasks that wait.', ofPool),
      duration: gauge('worker_pool_task_seconds', 'Time that a task takes.', ['pool', 'stat']),
      wait: gauge('worker_pool_wait_seconds', 'Time that a task waits before it begins.', ['pool', 'stat']),
    };
    this.#counters = {
      raised: counter('alerts_raised_total', 'Alerts that were raised.', ['name', 'severity']),
      webhooks: counter('webhook_messages_total', 'Messages to webhooks by what became of them.', ['to', 'outcome']),
      tasks: counter('worker_pool_tasks_total', 'Tasks by what became of them.', ['pool', 'outcome']),
      helpers: counter('helper_failures_total', 'Times that a helper process failed.', ['process']),
    };
    events.on('event', (name, data) => {
      if (name !== 'alert.raised') return;
      const { name: alert, severity } = data as { name: string; severity: string };
      this.#counters.raised.add({ name: alert, severity });
    });
  }

  refresh({ alerts, webhooks, resources }: ServerMonitor, pools: readonly PoolFigures[]): void {
    const of = this.#gauges;
    for (const gauge of Object.values(of)) gauge.reset();
    const active = alerts.book.active();
    for (const { name, severity } of active) {
      of.alerts.set({ name, severity }, active.filter((one) => one.name === name && one.severity === severity).length);
    }
    for (const { to, waiting, ...counts } of webhooks.stats()) {
      of.webhooksWaiting.set({ to }, waiting);
      for (const outcome of ['sent', 'failed', 'dropped'] as const) {
        this.#counters.webhooks.follow({ to, outcome }, counts[outcome]);
      }
    }
    for (const [process, failures] of Object.entries(resources.latest?.helperFailures ?? {})) {
      this.#counters.helpers.follow({ process }, failures);
    }
    for (const one of pools) this.#ofPool(one);
  }

  #ofPool({ pool, ...one }: PoolFigures): void {
    const of = this.#gauges;
    of.threads.set({ pool }, one.threads);
    of.limit.set({ pool }, one.limitThreads);
    of.running.set({ pool }, one.running);
    of.waiting.set({ pool }, one.waiting);
    of.duration.set({ pool, stat: 'mean' }, one.meanMs / 1000);
    of.duration.set({ pool, stat: 'p95' }, one.p95Ms / 1000);
    of.wait.set({ pool, stat: 'p95' }, one.waitP95Ms / 1000);
    for (const outcome of ['completed', 'failed', 'aborted'] as const) {
      this.#counters.tasks.follow({ pool, outcome }, one[outcome]);
    }
  }
}
