import type { FastifyInstance } from 'fastify';
import { createApp } from '../../src/server/http/app.js';
import type { ServerContext } from '../../src/server/http/context.js';

/** Every route of the server as `GET /path`, without those of static files. */
export async function routesOf(): Promise<string[]> {
  const found = new Set<string>();
  const watch = (app: FastifyInstance): void => {
    app.addHook('onRoute', ({ method, url }) => {
      if (/\*|^\/favicon/.test(url)) return;
      for (const each of [method].flat()) if (each !== 'HEAD') found.add(`${each} ${url}`);
    });
  };
  // The routes are only listed: nothing is asked of what is behind them.
  const context = { metrics: { http: { watch } }, monitor: {} } as unknown as ServerContext;
  const app = await createApp(context);
  await app.ready();
  await app.close();
  return [...found].sort();
}
