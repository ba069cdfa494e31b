import type { FastifyError, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { DhError } from '../../errors.js';

/**
 * The file of an upload: the body itself, or the part named `file` of a form. `wanted`: what it can be. Throws
 * `bad_request`, `audio_invalid`.
 */
export async function fileOf(request: FastifyRequest, maxBytes: number, wanted: string): Promise<Readable> {
  if (request.isMultipart()) {
    const part = await request.file({ limits: { fileSize: maxBytes } }).catch((error: unknown) => {
      // Its parser knows no status, as for a form without a boundary.
      const { statusCode = 400, message } = error as FastifyError;
      if (statusCode !== 400) throw error;
      throw new DhError('bad_request', `The form cannot be read: ${message}.`, {
        hint: 'Let the client make the Content-Type: it names the boundary of the parts.',
        cause: error,
      });
    });
    if (!part) throw new DhError('bad_request', 'The form has no file.', { hint: 'Send it in a part named "file".' });
    return part.file;
  }
  if (request.body === undefined || request.body === null) {
    throw new DhError('audio_invalid', 'The body is empty.', { hint: `Send ${wanted} as the body.` });
  }
  return request.body as Readable;
}
