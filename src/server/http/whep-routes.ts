import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createHash, randomUUID } from 'node:crypto';
import { DhError } from '../../errors.js';
import type { ServerContext } from './context.js';

type WithId = FastifyRequest<{ Params: { id: string } }>;
type WithViewer = FastifyRequest<{ Params: { id: string; viewer: string } }>;

/** More than the checked limit of an offer, so that the check can name the reason. */
const SDP_BODY_LIMIT_BYTES = 64 * 1024;

/** WHEP: how a browser watches (draft-ietf-wish-whep). */
export function whepRoutes({ sessions, memory }: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.removeAllContentTypeParsers();
    const text = { parseAs: 'string', bodyLimit: SDP_BODY_LIMIT_BYTES } as const;
    app.addContentTypeParser('application/sdp', text, (_request, body, done) => done(null, body));
    app.addContentTypeParser('application/trickle-ice-sdpfrag', text, (_request, body, done) => done(null, body));

    app.post('/whep/:id', async (request: WithId, reply) => {
      const session = sessions.get(request.params.id);
      if (request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/sdp') {
        throw new DhError('sdp_type', 'An offer is sent as application/sdp.');
      }
      if (typeof request.body !== 'string' || request.body.trim() === '') {
        throw new DhError('sdp_invalid', 'The offer is empty.');
      }
      memory.admit('viewer', [session.stage]);
      const viewerId = randomUUID();
      const answer = await session.addViewer(viewerId, request.body);
      return reply
        .code(201)
        .header('Content-Type', 'application/sdp')
        .header('Location', `/whep/${session.id}/${viewerId}`)
        .header('ETag', `"${createHash('sha256').update(answer).digest('hex').slice(0, 16)}"`)
        .send(answer);
    });

    // Candidates of viewers are not needed: the peer-reflexive one is enough. Players that hear nothing learn here
    // whether the server has forgotten them.
    app.patch('/whep/:id/:viewer', async (request: WithViewer, reply) => {
      const { id, viewer } = request.params;
      if (!(await sessions.get(id).hasViewer(viewer))) throw viewerNotFound();
      return reply.code(204).send();
    });

    app.delete('/whep/:id/:viewer', async (request: WithViewer, reply) => {
      const { id, viewer } = request.params;
      if (!(await sessions.get(id).removeViewer(viewer))) throw viewerNotFound();
      return reply.code(200).send();
    });

    app.options('/whep/:id', (_request, reply) => reply.code(204).header('Accept-Post', 'application/sdp').send());
  };
}

function viewerNotFound(): DhError {
  return new DhError('viewer_not_found', 'There is no such viewer.', { hint: 'It may have left already.' });
}
