import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import type { RendersConfig } from '../../config/schema.js';
import type { Renders } from '../renders/renders.js';
import { countItems, RenderBody } from '../renders/render-request.js';
import type { ServerContext } from './context.js';
import { check } from './errors.js';
import { NO_HEAD, openEventStream } from './event-stream.js';
import { fileOf } from './file-body.js';
import type { JsonLimits } from './json-body.js';

type WithId = FastifyRequest<{ Params: { id: string } }>;
type WithName = FastifyRequest<{ Params: { name: string } }>;
type WithFile = FastifyRequest<{ Params: { id: string; name: string } }>;

const TYPES: Record<string, string> = {
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.srt': 'application/x-subrip; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
};

/** Values of an item: itself, its picture, and all their fields. */
const ITEM_VALUES = 16;
/** Those of a body beside its items. */
const OTHER_VALUES = 100;

function jsonLimits({ maxBodyMb, maxItems }: RendersConfig): JsonLimits {
  return {
    maxBytes: maxBodyMb * 1e6,
    maxValues: maxItems * ITEM_VALUES + OTHER_VALUES,
    hint: 'Make several renders of it; renders.maxBodyMb and renders.maxItems in docs/configuration.md say what one may have.',
  };
}

/** `/renders`: videos from files and texts. */
export function renderRoutes(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    let renders!: Renders;
    // Their folder may be in use by a server elsewhere that is gone: that takes a while to see.
    app.addHook('onRequest', async () => void (renders = await context.renders));

    app.get('/renders', () => renders.list());

    app.post(
      '/renders',
      { config: { jsonLimits: () => jsonLimits(context.config.renders) } },
      async (request, reply) => {
        countItems(request.body, context.config.renders.maxItems);
        const view = await renders.create(check(RenderBody, request.body));
        return reply.code(202).header('Location', `/api/v1/renders/${view.id}`).send(view);
      },
    );

    app.get('/renders/projects', () => renders.projects());

    app.delete('/renders/projects/:name', async (request: WithName, reply) => {
      await renders.removeProject(request.params.name);
      return reply.code(204).send();
    });

    app.get('/renders/:id', async (request: WithId) => {
      const { id } = request.params;
      return { ...renders.get(id), files: await renders.files(id) };
    });

    app.delete('/renders/:id', async (request: WithId, reply) => {
      await renders.remove(request.params.id);
      return reply.code(204).send();
    });

    app.get('/renders/:id/events', NO_HEAD, (request: WithId, reply) => {
      const view = renders.get(request.params.id);
      const tell = (id: string, name: string, data: object): void => {
        if (id !== view.id) return;
        stream.send(name, data);
        const { state } = data as { state?: string };
        if (name === 'state' && state !== 'queued' && state !== 'running') stream.finish();
      };
      const stream = openEventStream(request, reply, () => renders.off('event', tell));
      renders.on('event', tell);
      if (view.progress) tell(view.id, 'progress', view.progress);
      tell(view.id, 'state', { state: view.state, ...(view.error ? { error: view.error } : {}) });
    });

    app.get('/renders/:id/files/:name', async (request: WithFile, reply) => {
      const { id, name } = request.params;
      const { path, bytes } = await renders.file(id, name);
      void reply.type(TYPES[extname(name)] ?? 'application/octet-stream').header('Accept-Ranges', 'bytes');
      return sendRange(reply, path, bytes, request.headers.range);
    });

    await app.register(async (uploads) => {
      // Any type is a stream here, as in `/sessions/:id/audio`.
      uploads.removeContentTypeParser(['application/json', 'text/plain']);
      uploads.addContentTypeParser('*', (_request, body, done) => done(null, body));
      uploads.post('/renders/uploads', async (request, reply) => {
        const file = await fileOf(request, context.config.limits.maxUploadMb * 1e6, 'a sound file or a picture');
        return reply.code(201).send(await renders.upload(file));
      });
    });
  };
}

/** One range or the whole (RFC 9110, 14.2). */
function sendRange(reply: FastifyReply, path: string, bytes: number, range = ''): FastifyReply {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (first === '' && last === '') return reply.header('Content-Length', bytes).send(createReadStream(path));
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (start > end) return reply.code(416).header('Content-Range', `bytes */${bytes}`).send();
  return reply
    .code(206)
    .header('Content-Range', `bytes ${start}-${end}/${bytes}`)
    .header('Content-Length', end - start + 1)
    .send(createReadStream(path, { start, end }));
}
