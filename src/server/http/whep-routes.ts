import type { FastifyInstance, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { DhError } from '../../errors.js';
import type { Session } from '../session.js';
import { ConnectingViewers } from './connecting-viewers.js';
import type { ServerContext } from './context.js';

type WithId = FastifyRequest<{ Params: { id: string } }>;
type WithViewer = FastifyRequest<{ Params: { id: string; viewer: string } }>;

/** More than the checked limit of an offer, so that the check can name the reason. */
const SDP_BODY_LIMIT_BYTES = 64 * 1024;

const OFFER_TYPE = 'application/sdp';
const FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag';

/** WHEP: how a browser watches (draft-ietf-wish-whep; what a PATCH means is in RFC 9725, section 4.3). */
export function whepRoutes(context: ServerContext) {
  const { sessions, memory } = context;
  return async (app: FastifyInstance): Promise<void> => {
    const connecting = new ConnectingViewers(() => context.clock());
    app.removeAllContentTypeParsers();
    const text = { parseAs: 'string', bodyLimit: SDP_BODY_LIMIT_BYTES } as const;
    app.addContentTypeParser(OFFER_TYPE, text, (_request, body, done) => done(null, body));
    app.addContentTypeParser(FRAGMENT_TYPE, text, (_request, body, done) => done(null, body));

    app.post('/whep/:id', async (request: WithId, reply) => {
      const session = sessions.get(request.params.id);
      if (typeOf(request) !== OFFER_TYPE) throw wrongType('An offer', OFFER_TYPE);
      if (typeof request.body !== 'string' || request.body.trim() === '') {
        throw new DhError('sdp_invalid', 'The offer is empty.');
      }
      memory.admit('viewer', [session.stage]);
      const viewerId = randomUUID();
      const answer = await join(request, session, viewerId, request.body);
      return reply
        .code(201)
        .header('Content-Type', OFFER_TYPE)
        .header('Location', `/whep/${session.id}/${viewerId}`)
        .header('ETag', etagOf(viewerId))
        .send(answer);
    });

    /** Passes an offer on to the stage, unless its address asks too often or has too many that do not connect. */
    const join = async (request: WithId, session: Session, viewerId: string, offer: string): Promise<string> => {
      const address = app.clients.addressOf(request.raw);
      if (session.live) await app.access.countOffer(request.raw);
      if (address !== null) connecting.add(viewerId, address, session, context.config.limits.maxConnectingPerAddress);
      try {
        return await session.addViewer(viewerId, offer);
      } catch (error) {
        connecting.remove(viewerId);
        throw error;
      }
    };

    // Candidates of viewers are not needed: the peer-reflexive one is enough. Players that hear nothing learn here
    // whether the server has forgotten them.
    app.patch('/whep/:id/:viewer', async (request: WithViewer, reply) => {
      const { id, viewer } = request.params;
      if (!(await sessions.get(id).hasViewer(viewer))) throw viewerNotFound();
      if (typeOf(request) !== FRAGMENT_TYPE) throw wrongType('A change', FRAGMENT_TYPE);
      const wanted = request.headers['if-match']?.trim();
      if (wanted === '*') {
        throw new DhError('sdp_invalid', 'ICE cannot be restarted here.', { hint: 'Send a new offer.' });
      }
      if (wanted !== undefined && !wanted.split(/ *, */).includes(etagOf(viewer))) {
        throw new DhError('etag_mismatch', 'If-Match names another ETag than this viewer has.', {
          hint: 'Send the ETag that came with the answer, or none.',
        });
      }
      return reply.code(204).send();
    });

    app.delete('/whep/:id/:viewer', async (request: WithViewer, reply) => {
      const { id, viewer } = request.params;
      connecting.remove(viewer);
      if (!(await sessions.get(id).removeViewer(viewer))) throw viewerNotFound();
      return reply.code(200).send();
    });

    app.options('/whep/:id', { config: { cors: { preflightContinue: true } } }, (_request, reply) =>
      reply.code(204).header('Accept-Post', OFFER_TYPE).send(),
    );
  };
}

/** There is one ICE session for a viewer's whole life, so that its ETag is as good as its id. */
function etagOf(viewerId: string): string {
  return `"${viewerId.slice(0, 8)}"`;
}

function typeOf({ headers }: FastifyRequest): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase();
}

function wrongType(what: string, type: string): DhError {
  return new DhError('sdp_type', `${what} is sent as ${type}.`);
}

function viewerNotFound(): DhError {
  return new DhError('viewer_not_found', 'There is no such viewer.', { hint: 'It may have left already.' });
}
