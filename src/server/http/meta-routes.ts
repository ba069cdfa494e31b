import type { FastifyInstance } from 'fastify';
import { loadPreset, presetNames } from '../../config/load.js';
import type { ServerContext } from './context.js';

/** What there is, how the server is, and how to stop it. */
export function metaRoutes(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/avatars', () => context.avatars());
    app.get('/voices', () => context.voices());
    app.get('/presets', () =>
      presetNames().map((name) => {
        const { description, session, memory } = loadPreset(name);
        return { name, description, ...session, maxMemoryMb: memory.maxMemoryMb, gcIntervalS: memory.gcIntervalS };
      }),
    );
    app.get('/stats', () => context.stats.server());
    app.post('/shutdown', async (_request, reply) => {
      void reply.code(202).send({ shuttingDown: true });
      context.requestShutdown('POST /shutdown');
    });
  };
}

/** The figures for Prometheus. */
export function metricsRoute({ metrics }: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/metrics', async (_request, reply) => {
      const { type, text } = await metrics.render();
      return reply.type(type).send(text);
    });
  };
}

/** What load balancers and service managers ask: open to everybody. */
export function probeRoutes(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/healthz', () => ({ ok: true }));
    app.get('/readyz', (_request, reply) => {
      const ready = context.sessions.list().every((session) => session.live);
      return reply.code(ready ? 200 : 503).send({ ready, media: context.media });
    });
  };
}
