import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import { nearest } from '../../config/did-you-mean.js';
import { getAt, isObject } from '../../config/tree.js';
import { DhError, type ErrorCode } from '../../errors.js';
import { RateLimited } from './access.js';
import { safeParse } from '../../config/safe-parse.js';

/** Seconds after which a client may try again what failed for now. */
const RETRY_AFTER_S = 1;
/** Refusals that the page of another site may read: they say to its author what to do, and nothing else. */
const READABLE = new Set<ErrorCode>(['origin_forbidden', 'unauthorized', 'rate_limited']);
/** Characters of a message that repeats what a client sent. */
const MOST_SHOWN = 300;

const NO_FILES = new Set(['EMFILE', 'ENFILE']);

/** Checks a body or query against its schema. Throws `bad_request` that names the field. */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = safeParse(schema, value ?? {});
  if (result.success) return result.data;
  const { issues } = result.error;
  // A name that is not known is more often the mistake than the one that is missing for it.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  const message = issue ? explain(issue, schema, value) : 'invalid';
  throw new DhError('bad_request', message.length > MOST_SHOWN ? `${message.slice(0, MOST_SHOWN)}…` : message, {
    hint: 'docs/api.md shows each call with its fields.',
  });
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): string {
  const path = issue.path as (string | number)[];
  const field = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const known = path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    const near = nearest(key, known);
    return `${[...path, key].join('.')}: there is no such field${near === undefined ? '.' : `, did you mean "${near}"?`}`;
  }
  const missing = path.length > 0 && (!isObject(value) || getAt(value, path) === undefined);
  return `${field ? `${field}: ` : ''}${missing ? 'is missing.' : issue.message}`;
}

/** The one place where an error becomes an answer. */
export function errorHandler(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const known = translate(error as FastifyError, request);
    if (known.status >= 500 && !known.retryable)
      log.error({ err: error, url: request.routeOptions.url }, 'request failed');
    if (reply.sent) return;
    if (READABLE.has(known.code) && !reply.hasHeader('access-control-allow-origin')) {
      void reply.header('Access-Control-Allow-Origin', '*');
    }
    const after = known instanceof RateLimited ? known.retryAfterS : RETRY_AFTER_S;
    if (known.retryable) void reply.header('Retry-After', after);
    void reply.code(known.status).send({ error: known.toJSON() });
  };
}

/** The code of the system for what went wrong, perhaps below what it is told as. */
function fileErrorOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return cause?.code ?? code ?? '';
}

function translate(error: FastifyError, request: FastifyRequest): DhError {
  if (NO_FILES.has(fileErrorOf(error))) {
    return new DhError('task_limit', 'The server has as many files open as it may have.', {
      hint: 'Try again in a second; raise ulimit -n when it stays so.',
      cause: error,
    });
  }
  if (error instanceof DhError) return error;
  // Nobody is there any more to be answered, and nothing is wrong here.
  if (error.code === 'ECONNRESET' && request.raw.destroyed) return new DhError('bad_request', 'The body was cut off.');
  const whep = request.routeOptions.url?.startsWith('/whep') ?? false;
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return whep
        ? new DhError('sdp_type', 'Offers are sent as application/sdp, changes as application/trickle-ice-sdpfrag.')
        : new DhError(
            'content_type_unsupported',
            `The content type ${(request.headers['content-type'] ?? '').slice(0, 100)} is not accepted here.`,
            { hint: 'The body is JSON: send it with "Content-Type: application/json".' },
          );
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return whep
        ? new DhError('sdp_invalid', 'The offer is too large.')
        : new DhError('body_too_large', 'The body is too large.', { hint: 'See limits in docs/configuration.md.' });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new DhError('bad_request', error.message);
    default:
  }
  const status = error.statusCode ?? 500;
  if (status === 404) return new DhError('not_found', error.message);
  if (status === 413) return new DhError('body_too_large', error.message);
  if (status >= 400 && status < 500) return new DhError('bad_request', error.message);
  return new DhError('internal', 'Something went wrong in the server.', { cause: error, hint: 'Its log says more.' });
}
