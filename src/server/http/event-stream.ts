import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '../session.js';

/** Comment lines keep proxies from closing a quiet stream, in ms. */
const KEEP_ALIVE = 15_000;
/** A client that reads nothing is let go when this much waits for it. */
const MOST_BUFFERED_BYTES = 256 * 1024;

/** Sends a session's events until either side ends (HTML standard, 9.2 Server-sent events). */
export function streamEvents(session: Session, request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  const { raw } = reply;
  const origin = reply.getHeader('access-control-allow-origin');
  raw.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
    ...(typeof origin === 'string' ? { 'Access-Control-Allow-Origin': origin } : {}),
  });
  const send = (name: string, data: unknown): void => {
    raw.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    if (raw.writableLength > MOST_BUFFERED_BYTES) raw.destroy();
  };
  const keepAlive = setInterval(() => raw.write(':\n\n'), KEEP_ALIVE);
  const end = (): void => {
    clearInterval(keepAlive);
    session.off('event', send);
    session.off('closed', finish);
  };
  const finish = (): void => {
    end();
    raw.end();
  };
  raw.on('error', end);
  request.raw.on('close', end);
  raw.on('close', end);
  session.on('event', send);
  session.on('closed', finish);
  send('state', { state: session.state });
}
