import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServerContext } from './context.js';
import { check } from './errors.js';

const HistoryQuery = z.object({ resolution: z.enum(['1s', '1m']).default('1s') });

/** What was measured, and what is wrong. */
export function monitorRoutes({ monitor }: ServerContext) {
  const { resources, alerts } = monitor;
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/alerts', () => ({ active: alerts.book.active(), recent: alerts.book.recent() }));
    app.get('/history', (request) => resources.history.table(check(HistoryQuery, request.query).resolution));
    app.get('/history/summary', () => resources.history.summary());
  };
}
