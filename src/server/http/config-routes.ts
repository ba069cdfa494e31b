import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServerContext } from './context.js';
import { check } from './errors.js';

const PatchQuery = z.strictObject({ persist: z.stringbool().default(false), token: z.string().optional() });

/** `/config`: the settings in force, and their change while the server runs. */
export function configRoutes({ live }: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/config', () => live.describe());

    app.patch('/config', (request) => {
      const { persist } = check(PatchQuery, request.query);
      const { changed, needsRestart } = live.patch(request.body, { persist });
      return { changed, needsRestart, persisted: persist };
    });
  };
}
