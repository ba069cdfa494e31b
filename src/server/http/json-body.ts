import type { FastifyInstance } from 'fastify';
import { DhError } from '../../errors.js';
import type { ServerContext } from './context.js';

/** Room in a JSON body beside its text. */
const OVERHEAD_BYTES = 16_384;
/**
 * A client reads no answer before it has sent its body, and the answer to an error closes the connection: what comes of
 * a body that is too large is thrown away for so long first, in ms.
 */
const LONGEST_DISCARD = 10_000;

/**
 * Limits JSON bodies to what a text of the present limit takes in its longest UTF-8 form. Fastify's own limit is set
 * once; this one is asked for at each request. Of a body that passes it no more than the limit is kept.
 */
export function limitJson(app: FastifyInstance, context: ServerContext): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', (request, payload, done) => {
    const most = context.config.limits.maxTextChars * 6 + OVERHEAD_BYTES;
    const parts: Buffer[] = [];
    let bytes = 0;
    let patience: NodeJS.Timeout | undefined;
    const finish = (error: Error | null): void => {
      clearTimeout(patience);
      payload.removeAllListeners('data');
      payload.resume();
      if (error) done(error);
      else void parse(request, Buffer.concat(parts).toString('utf8'), done);
    };
    const tooLarge = (): DhError =>
      new DhError('body_too_large', 'The body is too large.', { hint: 'See limits in docs/configuration.md.' });
    payload.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= most) parts.push(part);
      else {
        parts.length = 0;
        patience ??= setTimeout(() => {
          payload.removeAllListeners('end');
          finish(tooLarge());
        }, LONGEST_DISCARD);
      }
    });
    payload.once('error', (error: Error) => finish(error));
    payload.once('end', () => finish(bytes > most ? tooLarge() : null));
  });
}
