import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Config } from '../../config/schema.js';
import { DhError } from '../../errors.js';
import { maxSockets } from '../open-files.js';
import { Access } from './access.js';
import { Clients } from './clients.js';
import { configRoutes } from './config-routes.js';
import { Connections } from './connections.js';
import type { ServerContext } from './context.js';
import { errorHandler } from './errors.js';
import { limitJson } from './json-body.js';
import { memoryRoutes } from './memory-routes.js';
import { metaRoutes, metricsRoute, probeRoutes } from './meta-routes.js';
import { monitorRoutes } from './monitor-routes.js';
import { notFoundHandler } from './not-found.js';
import { pageRoutes } from './page-routes.js';
import { renderRoutes } from './render-routes.js';
import { Request } from './request.js';
import { sessionRoutes } from './session-routes.js';
import { whepRoutes } from './whep-routes.js';

declare module 'fastify' {
  interface FastifyInstance {
    access: Access;
    clients: Clients;
    connections: Connections;
  }
}

/** Time for the headers of a request, and for all of it: 200 MB at 6 Mbit/s, in ms. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 300_000;
/** A connection on which nothing moves either way is closed; a call that draws an avatar takes less, in ms. */
const IDLE_TIMEOUT = 180_000;
/** How often the first two are looked at, in ms. */
const CHECK_INTERVAL = 2_000;

/** What is sent is what it says to be, and an address, which may hold a token, is told to nobody. */
const EVERYWHERE = { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' };
/** Answers of the API are kept by no cache, and are no pictures or scripts of other sites. */
const PRIVATE = { 'Cache-Control': 'no-store', 'Cross-Origin-Resource-Policy': 'same-origin' };

/** The HTTP side of the control process, ready to listen. */
export async function createApp(context: ServerContext): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: undefined,
    logger: false,
    // Connections that stay open (events, idle keep-alive) must not hold up a shutdown.
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: IDLE_TIMEOUT,
    http: {
      headersTimeout: HEADERS_TIMEOUT,
      connectionsCheckingInterval: CHECK_INTERVAL,
      IncomingMessage: Request,
    },
    routerOptions: { maxParamLength: 128, ignoreTrailingSlash: true },
  });
  context.metrics.http.watch(app);
  await app.register(rateLimit, { global: false });
  const config = (): Config => context.config;
  const clients = new Clients(config);
  const access = new Access(app, clients, config);
  app.decorate('clients', clients);
  app.decorate('access', access);
  app.decorate('connections', new Connections(app.server, clients, config, maxSockets()));
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(EVERYWHERE);
    access.checkHost(request.raw);
  });
  app.setErrorHandler(errorHandler(context.log));
  const notFound = notFoundHandler(app);
  app.setNotFoundHandler(notFound);
  limitJson(app, context);
  await app.register(cors, {
    delegator: (request, done) => {
      // Watching, and the element that does it, is for every page. A preflight gives nothing away either: whether the
      // origin may call is looked at in the call itself, so that its page can read the refusal.
      const { corsOrigins } = context.config.server;
      const open =
        /^\/(whep|web)\//.test(request.url ?? '') || request.method === 'OPTIONS' || corsOrigins.includes('*');
      done(null, {
        origin: open ? true : corsOrigins,
        methods: ['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS'],
        exposedHeaders: ['Location', 'ETag', 'Link', 'Retry-After'],
        strictPreflight: false,
      });
    },
  });
  await app.register(multipart, { limits: { files: 1, fields: 8 } });
  app.addHook('onRequest', async (request) => {
    await access.countCall(request.raw);
    if (context.shuttingDown()) throw new DhError('shutting_down', 'The server is stopping.');
  });
  await app.register(guarded(context, notFound));
  await app.register(probeRoutes(context));
  await app.register(whepRoutes(context));
  await app.register(pageRoutes);
  return app;
}

/** What only those may use who are authorized: the API and the figures. */
function guarded(context: ServerContext, notFound: ReturnType<typeof notFoundHandler>) {
  return async (app: FastifyInstance): Promise<void> => {
    app.addHook('onRequest', async (request, reply) => {
      void reply.headers(PRIVATE);
      await app.access.authorize(request.raw);
    });
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
