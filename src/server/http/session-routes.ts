import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isObject } from '../../config/tree.js';
import { DhError } from '../../errors.js';
import type { Session } from '../session.js';
import { Utterance } from '../utterance.js';
import type { ServerContext } from './context.js';
import { check } from './errors.js';
import { NO_HEAD, streamEvents } from './event-stream.js';
import { fileOf } from './file-body.js';

const Name = z.string().min(1).max(100);
const CreateBody = z.strictObject({
  id: Name.optional(),
  avatar: Name.optional(),
  preset: Name.optional(),
  voice: Name.optional(),
});
const ChangeBody = z.strictObject({
  avatar: Name.optional(),
  preset: Name.optional(),
  session: z.record(z.string(), z.unknown()).optional(),
});
const SayBody = z.strictObject({
  text: z.string(),
  voice: Name.optional(),
  language: Name.optional(),
  interrupt: z.boolean().default(false),
});
const AudioQuery = z.strictObject({ interrupt: z.stringbool().default(false), token: z.string().optional() });

type WithId = FastifyRequest<{ Params: { id: string } }>;

/** `/sessions` and what belongs to one: say, audio, interrupt, events. */
export function sessionRoutes(context: ServerContext) {
  const { sessions, stats } = context;
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/sessions', () => sessions.list().map((session) => stats.session(session)));

    app.post('/sessions', async (request, reply) => {
      const session = await sessions.create(check(CreateBody, request.body));
      return reply.code(201).header('Location', `/api/v1/sessions/${session.id}`).send(stats.session(session));
    });

    app.get('/sessions/:id', (request: WithId) => stats.session(sessions.get(request.params.id)));

    app.patch('/sessions/:id', async (request: WithId) => {
      if (!isObject(request.body)) {
        throw new DhError('bad_request', 'A change is a JSON object.', { hint: '{"session": {"bitrateKbps": 1500}}' });
      }
      const change = check(ChangeBody, request.body);
      const { session, idr } = await sessions.update(request.params.id, change);
      return { ...stats.session(session), idr };
    });

    app.delete('/sessions/:id', async (request: WithId, reply) => {
      await sessions.get(request.params.id).close();
      return reply.code(204).send();
    });

    app.post('/sessions/:id/say', async (request: WithId, reply) => {
      const session = sessions.get(request.params.id);
      const { text, language, interrupt, voice = session.options.voice } = check(SayBody, request.body);
      const open = await context.speak({ text, voice, language });
      return accept(session, new Utterance(open, { text }), interrupt, reply);
    });

    app.post('/sessions/:id/interrupt', (request: WithId) => sessions.get(request.params.id).interrupt());

    app.get('/sessions/:id/events', NO_HEAD, (request: WithId, reply) => {
      streamEvents(sessions.get(request.params.id), request, reply);
    });

    await app.register(async (uploads) => {
      // Any type is a stream here: what it really is, the media process finds out.
      // Forms keep their parser; the children of this plugin know no JSON.
      uploads.removeContentTypeParser(['application/json', 'text/plain']);
      uploads.addContentTypeParser('*', (_request, body, done) => done(null, body));
      uploads.post('/sessions/:id/audio', async (request: WithId, reply) => {
        const session = sessions.get(request.params.id);
        const { interrupt } = check(AudioQuery, request.query);
        const sound = await context.receive(
          await fileOf(request, context.config.limits.maxUploadMb * 1e6, 'a sound file'),
        );
        const utterance = new Utterance((signal) => sound.open(signal));
        try {
          await utterance.prime(); // a file that cannot be decoded is refused here, not later in an event
        } catch (error) {
          utterance.close();
          throw error;
        }
        return accept(session, utterance, interrupt, reply, sound.damage());
      });
    });
  };
}

async function accept(
  session: Session,
  utterance: Utterance,
  interrupt: boolean,
  reply: FastifyReply,
  warning: string | null = null,
): Promise<FastifyReply> {
  if (interrupt) await session.interrupt();
  session.enqueue(utterance);
  return reply.code(202).send({ utteranceId: utterance.id, ...(warning === null ? {} : { warning }) });
}
