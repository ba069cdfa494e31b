import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import { timingSafeEqual } from 'node:crypto';
import Fastify, { type FastifyInstance } from 'fastify';
import { DhError } from '../../errors.js';
import type { ServerContext } from './context.js';
import { errorHandler } from './errors.js';
import { metaRoutes } from './meta-routes.js';
import { pageRoutes } from './page-routes.js';
import { sessionRoutes } from './session-routes.js';
import { whepRoutes } from './whep-routes.js';

/** JSON bodies are small: the text limit in the longest UTF-8 form, and some room. */
const JSON_OVERHEAD_BYTES = 16_384;

/** The HTTP side of the control process, ready to listen. */
export async function createApp(context: ServerContext): Promise<FastifyInstance> {
  const { config } = context;
  const app = Fastify({
    loggerInstance: undefined,
    logger: false,
    bodyLimit: config.limits.maxTextChars * 6 + JSON_OVERHEAD_BYTES,
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
  const { corsOrigins, token } = config.server;
  await app.register(cors, {
    delegator: (request, done) => {
      // Watching, and the element that does it, is for every page.
      const open = /^\/(whep|web)\//.test(request.url ?? '') || corsOrigins.includes('*');
      done(null, {
        origin: open ? true : corsOrigins,
        methods: ['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS'],
        exposedHeaders: ['Location', 'ETag', 'Link', 'Retry-After'],
        strictPreflight: false,
      });
    },
  });
  await app.register(multipart, { limits: { files: 1, fields: 8, fileSize: config.limits.maxUploadMb * 1e6 } });
  app.addHook('onRequest', async (request) => {
    if (context.shuttingDown()) throw new DhError('shutting_down', 'The server is stopping.');
    if (!request.url.startsWith('/api/')) return;
    const { origin, host, authorization } = request.headers;
    checkOrigin(corsOrigins, origin, host);
    authorize(token, authorization, request.url);
  });
  await app.register(sessionRoutes(context), { prefix: '/api/v1' });
  await app.register(metaRoutes(context));
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
