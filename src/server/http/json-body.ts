import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ServerResponse } from 'node:http';
import { nestsTooDeep } from '../../config/json-text.js';
import { DhError } from '../../errors.js';
import type { ServerContext } from './context.js';
import { jsonMistake } from './json-mistake.js';
import { countValues } from './json-values.js';

/** What a route may take beyond a text: asked for at each request, as settings change. */
export interface JsonLimits {
  /** Largest body, in bytes. */
  maxBytes: number;
  /** Most values in it; see `countValues`. */
  maxValues: number;
  /** What a client can do whose body is over one of them. */
  hint: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of routes that take larger JSON than the others. */
    jsonLimits?: () => JsonLimits;
  }
}

/** Room in a JSON body beside its text. */
const OVERHEAD_BYTES = 16_384;
/**
 * Many clients read no answer before they have sent all: what still comes of a body that is refused is thrown away for
 * so long, in ms. Then the connection is closed.
 */
const LONGEST_DISCARD = 10_000;
/** Bodies over the usual limit that are in memory at a time; each is held from its first byte to its answer. */
const LARGE_AT_A_TIME = 2;

/**
 * Limits JSON bodies to what a text of the present limit takes in its longest UTF-8 form, or to what the route allows.
 * Fastify's own limit is set once; this one is asked for at each request. Nothing is kept of a body that says, or turns
 * out, to be over it, and the answer does not wait for its end. What is no JSON is refused with the place and the reason.
 */
export function limitJson(app: FastifyInstance, context: ServerContext): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const responses = new WeakMap<FastifyRequest, ServerResponse>();
  const large = new Set<FastifyRequest>();
  const refusedEarly = new WeakSet<FastifyRequest>();
  app.addHook('preParsing', (request, reply, _payload, done) => {
    responses.set(request, reply.raw);
    done();
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    // Fastify closes the connection after a body that cannot be parsed; here that would cut the client off.
    if (refusedEarly.has(request)) reply.header('connection', 'keep-alive');
    done();
  });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', (request, payload, done) => {
    const usual = context.config.limits.maxTextChars * 6 + OVERHEAD_BYTES;
    const own = request.routeOptions.config.jsonLimits?.();
    const most = Math.max(usual, own?.maxBytes ?? 0);
    const response = responses.get(request);
    const parts: Buffer[] = [];
    let bytes = 0;

    const refuse = (error: DhError): void => {
      parts.length = 0;
      payload.off('data', keep).off('end', finish).off('error', done);
      // A connection that ends with the answer would be reset while the client still sends.
      const early = response?.shouldKeepAlive === true;
      const settle = (): void => {
        clearTimeout(patience);
        payload.off('end', settle);
        request.raw.off('close', settle);
        if (!early) done(error);
      };
      const patience = setTimeout(() => {
        settle();
        if (early) request.raw.destroy();
      }, LONGEST_DISCARD);
      payload.on('error', () => undefined).once('end', settle);
      request.raw.once('close', settle);
      payload.resume();
      if (!early) return;
      refusedEarly.add(request);
      done(error);
    };
    /** Holds one of the places for large bodies until the request is answered or its client has gone. */
    const takePlace = (): boolean => {
      if (large.has(request)) return true;
      if (large.size >= LARGE_AT_A_TIME) return false;
      large.add(request);
      response?.once('close', () => large.delete(request));
      return true;
    };
    /** Whether a body of so many bytes is taken; otherwise it is refused. */
    const takes = (size: number): boolean => {
      if (size > most) refuse(tooLarge(most, own));
      else if (size > usual && !takePlace()) refuse(tooMany());
      else return true;
      return false;
    };

    const keep = (part: Buffer): void => {
      bytes += part.length;
      if (takes(bytes)) parts.push(part);
    };
    const finish = (): void => {
      const body = Buffer.concat(parts);
      parts.length = 0;
      if (own && bytes > usual && countValues(body, own.maxValues) > own.maxValues) {
        done(new DhError('body_too_large', 'There are too many values in the body.', { hint: own.hint }));
        return;
      }
      const text = body.toString('utf8');
      void parse(request, text, (wrong, value) => {
        if (wrong || nestsTooDeep(value)) done(jsonMistake(text));
        else done(null, value);
      });
    };
    if (!takes(Number(request.headers['content-length'] ?? 0))) return;
    payload.on('data', keep).once('end', finish).once('error', done);
  });
}

function tooLarge(most: number, own: JsonLimits | undefined): DhError {
  const size = most < 1e6 ? `${Math.floor(most / 1e3)} kB` : `${Math.floor(most / 1e5) / 10} MB`;
  return new DhError('body_too_large', `The body is larger than ${size}.`, {
    hint: own?.hint ?? 'See limits in docs/configuration.md.',
  });
}

function tooMany(): DhError {
  return new DhError('queue_full', `${LARGE_AT_A_TIME} other large bodies are being read.`, { hint: 'Send it again.' });
}
