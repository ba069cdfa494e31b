import type { FastifyInstance } from 'fastify';
import { loadPreset, presetNames } from '../../config/load.js';
import type { ServerContext } from './context.js';

/** What there is, how the server is, and how to stop it. */
export function metaRoutes(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/api/v1/avatars', () => context.avatars());
    app.get('/api/v1/voices', () => context.voices());
    app.get('/api/v1/presets', () =>
      presetNames().map((name) => {
        const { description, session, memory } = loadPreset(name);
        return { name, description, ...session, maxMemoryMb: memory.maxMemoryMb, gcIntervalS: memory.gcIntervalS };
      }),
    );
    app.get('/api/v1/stats', () => context.stats.server());
    app.post('/api/v1/shutdown', async (_request, reply) => {
      void reply.code(202).send({ shuttingDown: true });
      context.requestShutdown('POST /shutdown');
    });
    app.get('/metrics', async (_request, reply) => {
      const { type, text } = await context.metrics.render();
      return reply.type(type).send(text);
    });
    app.get('/healthz', () => ({ ok: true }));
    app.get('/readyz', (_request, reply) => {
      const ready = context.sessions.list().every((session) => session.live);
      return reply.code(ready ? 200 : 503).send({ ready });
    });
  };
}
