import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OutgoingHttpHeaders } from 'node:http';
import type { ServerEvents } from '../server-events.js';
import type { Session } from '../session.js';

/** Comment lines keep proxies from closing a quiet stream, in ms. */
const KEEP_ALIVE = 15_000;
/** A client that reads nothing is let go when this much waits for it. */
const MOST_BUFFERED_BYTES = 256 * 1024;

/** Options of a route that is a stream: the answer to HEAD would be one without end. */
export const NO_HEAD = { exposeHeadRoute: false } as const;

/** Server-sent events of one client (HTML standard, 9.2). */
export interface EventStream {
  send: (name: string, data: unknown) => void;
  /** Ends it from this side. */
  finish: () => void;
}

/** Opens the stream; `onEnd` is called once, whichever side ends it. Throws `connection_limit`. */
export function openEventStream(request: FastifyRequest, reply: FastifyReply, onEnd: () => void): EventStream {
  const leave = request.server.connections.openStream(request.raw);
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  const keepAlive = setInterval(() => raw.write(':\n\n'), KEEP_ALIVE);
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    clearInterval(keepAlive);
    leave();
    onEnd();
  };
  raw.on('error', end);
  request.raw.on('close', end);
  raw.on('close', end);
  raw.write(':\n\n'); // the headers leave at once
  return {
    send: (name, data) => {
      if (ended) return;
      raw.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      if (raw.writableLength > MOST_BUFFERED_BYTES) raw.destroy();
    },
    finish: () => {
      end();
      raw.end();
    },
  };
}

/** Sends a session's events until either side ends. */
export function streamEvents(session: Session, request: FastifyRequest, reply: FastifyReply): void {
  const stream = openEventStream(request, reply, () => {
    session.off('event', stream.send);
    session.off('closed', stream.finish);
  });
  session.on('event', stream.send);
  session.on('closed', stream.finish);
  stream.send('state', { state: session.state });
}

/** Sends what the whole server tells until either side ends. */
export function streamServerEvents(events: ServerEvents, request: FastifyRequest, reply: FastifyReply): void {
  const stream = openEventStream(request, reply, () => events.off('event', stream.send));
  events.on('event', stream.send);
}
