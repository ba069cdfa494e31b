import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import { timingSafeEqual } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import { DhError } from '../../errors.js';
import { configRoutes } from './config-routes.js';
import type { ServerContext } from './context.js';
import { errorHandler } from './errors.js';
import { limitJson } from './json-body.js';
import { memoryRoutes } from './memory-routes.js';
import { metaRoutes } from './meta-routes.js';
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
  app.setErrorHandler(errorHandler(context.log));
  app.setNotFoundHandler((request) => {
    throw new DhError('not_found', `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 100) ?? ''}.`);
  });
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
  app.addHook('onRequest', async (request) => {
    if (context.shuttingDown()) throw new DhError('shutting_down', 'The server is stopping.');
    if (!request.url.startsWith('/api/')) return;
    const { origin, host, authorization } = request.headers;
    const { corsOrigins, token } = context.config.server;
    checkOrigin(corsOrigins, origin, host);
    authorize(token, authorization, request.url);
  });
  await app.register(sessionRoutes(context), { prefix: '/api/v1' });
  await app.register(memoryRoutes(context), { prefix: '/api/v1' });
  await app.register(monitorRoutes(context), { prefix: '/api/v1' });
  await app.register(renderRoutes(context), { prefix: '/api/v1' });
  await app.register(metaRoutes(context));
  await app.register(configRoutes(context), { prefix: '/api/v1' });
  await app.register(whepRoutes(context));
  await app.register(pageRoutes);
  return app;
}

/** Throws `unauthorized` unless no token is set or the right one came in the header or as `?token=`. */
export function authorize(token: string | undefined, header: string | undefined, url: string): void {
  if (token === undefined) return;
  const given = header?.startsWith('Bearer ')
    ? header.slice('Bearer '.length)
    : (new URL(url, 'http://localhost').searchParams.get('token') ?? '');
  const a = Buffer.from(given);
  const b = Buffer.from(token);
  if (a.length === b.length && timingSafeEqual(a, b)) return;
  throw new DhError('unauthorized', 'A valid access token is needed.', {
    hint: 'Send "Authorization: Bearer <token>", or ?token= where headers cannot be set.',
  });
}

/**
 * Throws `origin_forbidden` for a request from a page of another site that was not allowed: without this, any page
 * that somebody visits could make the avatar on their machine speak, or stop it.
 */
export function checkOrigin(allowed: readonly string[], origin: string | undefined, host: string | undefined): void {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new DhError('origin_forbidden', 'Pages of another site may not use the API.', {
    hint: 'Allow the site in server.corsOrigins.',
  });
}
