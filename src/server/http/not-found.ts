import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DhError } from '../../errors.js';

/**
 * Answers what no route takes: 405 with `Allow` where the path has other methods, otherwise 404. To be made before the
 * routes are.
 */
export function notFoundHandler(app: FastifyInstance): (request: FastifyRequest, reply: FastifyReply) => never {
  const routes: { path: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    // The one for preflights is everywhere.
    if (url === '*') return;
    const pattern = url.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+').replace('*', '.*');
    routes.push({ path: new RegExp(`^${pattern}/?$`), methods: [method].flat() });
  });
  return ({ method, url }, reply) => {
    const path = url.split('?')[0] ?? '';
    const allowed = new Set(routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods));
    const call = `${method} ${path.slice(0, 100)}`;
    if (allowed.size === 0 || allowed.has(method)) throw new DhError('not_found', `There is no ${call}.`);
    const list = [...allowed].sort().join(', ');
    void reply.header('Allow', list);
    throw new DhError('method_not_allowed', `There is no ${call}, but ${list}.`);
  };
}
