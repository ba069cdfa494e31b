import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { checkRate } from '../audio/rate.js';
import { DhError } from '../errors.js';
import { memoryRegistry, type MemoryUser } from '../guard/memory-registry.js';
import { queryOf, type Access } from './http/access.js';
import { refuse } from './http/connections.js';
import type { Session, SessionEventName } from './session.js';
import type { SessionRegistry } from './session-registry.js';
import { SocketFeed } from './socket-feed.js';

const PATH = /^\/api\/v1\/sessions\/([^/?#]{1,128})\/audio(?:\?|$)/;
/** Longest message: half a second at 192 kHz, and room. */
const MAX_MESSAGE_BYTES = 256 * 1024;
/** A client that does not read its events is let go when this much waits for it. */
const MAX_BUFFERED_BYTES = 256 * 1024;
const PING_INTERVAL = 20_000;
/** Time that a client who is refused has to close, in ms. */
const CLOSE_TIMEOUT = 2_000;

/** Sound over a WebSocket: `/api/v1/sessions/:id/audio?rate=16000[&overflow=wait]`. */
export class AudioSockets {
  readonly #server = new WebSocketServer({
    ...{ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false },
    // By itself the library answers pings of a client that never reads without an end.
    autoPong: false,
    // One message a turn of the event loop: a thousand small ones at once hold up nobody else.
    allowSynchronousEvents: false,
  });
  readonly #access: Access;
  readonly #sessions: SessionRegistry;
  readonly #busy = new Set<Session>();
  readonly #feeds = new Set<SocketFeed>();
  readonly #buffers: MemoryUser = {
    name: 'audio sockets',
    owner: 'server',
    kind: 'queue',
    figures: () => ({
      bytes: [...this.#feeds].reduce((sum, { waitingBytes }) => sum + waitingBytes, 0),
      items: this.#feeds.size,
      ...{ limitBytes: null, hits: 0, misses: 0, evictions: 0 },
    }),
  };

  constructor(access: Access, sessions: SessionRegistry, http: Server) {
    this.#access = access;
    this.#sessions = sessions;
    memoryRegistry.register(this.#buffers);
    http.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  close(): void {
    for (const client of this.#server.clients) client.close(1001, 'server stops');
    this.#server.close();
    const timer = setTimeout(() => {
      for (const client of this.#server.clients) client.terminate();
    }, 300);
    timer.unref();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const target = request.url ?? '';
    const id = PATH.exec(target)?.[1];
    try {
      this.#access.checkHost(request);
      await this.#access.countCall(request);
      await this.#access.authorize(request);
      if (id === undefined) throw new DhError('not_found', 'There is no such WebSocket.');
    } catch (error) {
      refuse(socket, DhError.from(error));
      return;
    }
    request.socket.setKeepAlive(true, PING_INTERVAL);
    this.#server.handleUpgrade(request, socket, head, (client) => {
      // Pages cannot read the answer to an upgrade that is refused: the first message says what it is.
      try {
        const session = this.#sessions.get(decodeId(id));
        const { rate, live } = optionsOf(queryOf(target));
        if (this.#busy.has(session)) {
          throw new DhError('source_busy', 'Another source sends sound to this session.', {
            hint: 'Close it, or use another session.',
          });
        }
        this.#serve(client, session, rate, live);
        client.send(JSON.stringify({ type: 'state', state: session.state }));
      } catch (error) {
        closeWith(client, DhError.from(error));
      }
    });
  }

  #serve(client: WebSocket, session: Session, rate: number, live: boolean): void {
    this.#busy.add(session);
    const feed = new SocketFeed(client, session, rate, live);
    this.#feeds.add(feed);
    /** Whether there is anybody to send to: who reads nothing is let go. */
    const reads = (): boolean => {
      if (client.bufferedAmount > MAX_BUFFERED_BYTES) client.terminate();
      return client.readyState === client.OPEN;
    };
    const send = (message: Record<string, unknown>): void => {
      if (reads()) client.send(JSON.stringify(message));
    };
    const onEvent = (name: SessionEventName, data: Record<string, unknown>): void => send({ type: name, ...data });
    const onClosed = (): void => client.close(1000, 'session ended');
    let answered = true;
    const ping = setInterval(() => {
      // The answer of one that is paused is not read: TCP finds out whether it is still there.
      if (client.isPaused) answered = true;
      if (!answered) return client.terminate();
      answered = client.isPaused;
      client.ping();
    }, PING_INTERVAL);
    client.on('ping', (data) => {
      if (reads()) client.pong(data);
    });
    client.on('pong', () => (answered = true));
    client.on('error', () => client.terminate());
    client.on('close', () => {
      clearInterval(ping);
      session.off('event', onEvent);
      session.off('closed', onClosed);
      this.#busy.delete(session);
      this.#feeds.delete(feed);
      feed.close();
    });
    client.on('message', (data, isBinary) => {
      try {
        if (isBinary) feed.sound(data as Buffer);
        else feed.command((data as Buffer).toString('utf8'));
      } catch (error) {
        send({ type: 'error', error: DhError.from(error).toJSON() });
      }
    });
    session.on('event', onEvent);
    session.on('closed', onClosed);
  }
}

/** Throws `rate_invalid`, `bad_request`. */
function optionsOf(query: URLSearchParams): { rate: number; live: boolean } {
  const overflow = query.get('overflow');
  if (overflow !== null && overflow !== 'wait') {
    throw new DhError('bad_request', `overflow: "${overflow.slice(0, 100)}" is no way to take sound in.`, {
      hint: 'overflow=wait, or leave it out for a live source.',
    });
  }
  return { rate: checkRate(Number(query.get('rate') ?? 16_000)), live: overflow === null };
}

/** Says why, and closes with 4000 + the status that HTTP has for it. */
function closeWith(client: WebSocket, error: DhError): void {
  const timer = setTimeout(() => client.terminate(), CLOSE_TIMEOUT);
  client.once('close', () => clearTimeout(timer));
  client.on('error', () => client.terminate());
  client.send(JSON.stringify({ type: 'error', error: error.toJSON() }));
  client.close(4000 + error.status, error.code);
}

function decodeId(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch (error) {
    throw new DhError('bad_request', `"${id.slice(0, 100)}" in the path is not a name of a session.`, { cause: error });
  }
}
