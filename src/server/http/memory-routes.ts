import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServerContext } from './context.js';
import { check } from './errors.js';
import { NO_HEAD, streamServerEvents } from './event-stream.js';

const TrimBody = z.strictObject({ level: z.enum(['soft', 'hard']).default('soft') });

/** Where the memory is, what can be given back now, and what the whole server tells. */
export function memoryRoutes({ memory, events }: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/memory', () => memory.state());
    app.post('/memory/trim', (request) => memory.trim(check(TrimBody, request.body).level));
    app.get('/events', NO_HEAD, (request, reply) => streamServerEvents(events, request, reply));
  };
}
