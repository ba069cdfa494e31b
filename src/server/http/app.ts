import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { DhError } from '../../errors.js';
import { checkAccess, checkHost } from './access.js';
import { configRoutes } from './config-routes.js';
import type { ServerContext } from './context.js';
import { errorHandler } from './errors.js';
import { limitJson } from './json-body.js';
import { memoryRoutes } from './memory-routes.js';
import { metaRoutes, metricsRoute, probeRoutes } from './meta-routes.js';
import { monitorRoutes } from './monitor-routes.js';
import { pageRoutes } from './page-routes.js';
import { renderRoutes } from './render-routes.js';
import { sessionRoutes } from './session-routes.js';
import { whepRoutes } from './whep-routes.js';

/** The HTTP side of the control process, ready to listen. */
export async function createApp(context: ServerContext): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: undefined,
    logger: false,
    // Connections that stay open (events, idle keep-alive) must not hold up a shutdown.
    forceCloseConnections: true,
    requestTimeout: 300_000,
    routerOptions: { maxParamLength: 128 },
  });
  context.metrics.http.watch(app);
  app.addHook('onRequest', async (request) => checkHost(context.config.server, request.raw));
  app.setErrorHandler(errorHandler(context.log));
  app.setNotFoundHandler(notFound);
  limitJson(app, context);
  await app.register(cors, {
    delegator: (request, done) => {
      // Watching, and the element that does it, is for every page.
      const { corsOrigins } = context.config.server;
      const open = /^\/(whep|web)\//.test(request.url ?? '') || corsOrigins.includes('*');
      done(null, {
        origin: open ? true : corsOrigins,
        methods: ['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS'],
        exposedHeaders: ['Location', 'ETag', 'Link', 'Retry-After'],
        strictPreflight: false,
      });
    },
  });
  await app.register(multipart, { limits: { files: 1, fields: 8 } });
  app.addHook('onRequest', async () => {
    if (context.shuttingDown()) throw new DhError('shutting_down', 'The server is stopping.');
  });
  await app.register(guarded(context));
  await app.register(probeRoutes(context));
  await app.register(whepRoutes(context));
  await app.register(pageRoutes);
  return app;
}

/** What only those may use who `checkAccess` lets in: the API and the figures. */
function guarded(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.addHook('onRequest', async (request) => checkAccess(context.config.server, request.raw));
    await app.register(metricsRoute(context));
    await app.register(
      async (api) => {
        // Here as well, so that the hook stands before it: which calls there are is nobody else's business.
        api.setNotFoundHandler(notFound);
        for (const routes of [sessionRoutes, memoryRoutes, monitorRoutes, renderRoutes, metaRoutes, configRoutes]) {
          await api.register(routes(context));
        }
      },
      { prefix: '/api/v1' },
    );
  };
}

function notFound(request: FastifyRequest): never {
  throw new DhError('not_found', `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 100) ?? ''}.`);
}
