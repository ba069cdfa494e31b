import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServerContext } from './context.js';
import { check } from './errors.js';

// Strict: a misspelt name would be answered as if nothing had been asked.
const HistoryQuery = z.strictObject({ resolution: z.enum(['1s', '1m']).default('1s'), token: z.string().optional() });

const PlanQuery = z.strictObject({
  token: z.string().optional(),
  sessions: z.coerce.number().int().min(0).max(10_000).default(1),
  preset: z.string().min(1).max(100).optional(),
});

/** What was measured, what is wrong, what was decided and what fits. */
export function monitorRoutes({ monitor, optimizer, media }: ServerContext) {
  const { resources, alerts } = monitor;
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/alerts', () => ({ active: alerts.book.active(), recent: alerts.book.recent() }));
    app.get('/history', (request) => resources.history.table(check(HistoryQuery, request.query).resolution));
    app.get('/report', () => ({
      ...optimizer.report(),
      media,
      monitor: resources.stats(),
      webhooks: monitor.webhooks.stats(),
    }));
    app.get('/plan', (request) => {
      const { sessions, preset } = check(PlanQuery, request.query);
      return optimizer.planFor(sessions, preset);
    });
    app.get('/history/summary', () => resources.history.summary());
  };
}
