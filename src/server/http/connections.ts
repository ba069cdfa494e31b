import { normalizeIP } from '@fastify/rate-limit';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../../config/schema.js';
import { DhError } from '../../errors.js';
import { isLoopback } from '../exposure.js';
import type { Clients } from './clients.js';

/** How long a client may take to read why it is refused, in ms. */
const REFUSAL_TIMEOUT = 2_000;
/** Share of all event streams that one address may hold. */
const STREAMS_SHARE = 0.25;

/** What is held at a time, in all and by each address. */
class Places {
  #taken = 0;
  readonly #byAddress = new Map<string, number>();

  /** Returns what gives the place back, or null when there is none. Null as an address: only the sum counts. */
  take(address: string | null, max: number, maxPerAddress: number): (() => void) | null {
    const own = address === null ? 0 : (this.#byAddress.get(address) ?? 0);
    if (this.#taken >= max || own >= maxPerAddress) return null;
    this.#taken += 1;
    if (address !== null) this.#byAddress.set(address, own + 1);
    return () => {
      this.#taken -= 1;
      if (address === null) return;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}

/**
 * Limits how many connections and event streams are open, so that nobody takes the files of the process or all places
 * for himself. Proxies hold the connections of many, so only the sum counts for them, as it does for this machine.
 */
export class Connections {
  readonly #config: () => Config;
  readonly #clients: Clients;
  readonly #sockets = new Places();
  readonly #streams = new Places();

  /** @param maxSockets what the process can hold at most, whatever the settings say */
  constructor(server: Server, clients: Clients, config: () => Config, maxSockets: number) {
    this.#config = config;
    this.#clients = clients;
    server.on('connection', (socket: Socket) => {
      const { maxConnections, maxConnectionsPerAddress } = this.#config().limits;
      const { remoteAddress = '' } = socket;
      const shared = remoteAddress === '' || isLoopback(remoteAddress) || this.#clients.isProxy(remoteAddress);
      const address = shared ? null : normalizeIP(remoteAddress);
      const leave = this.#sockets.take(address, Math.min(maxConnections, maxSockets), maxConnectionsPerAddress);
      if (leave) socket.once('close', leave);
      else refuse(socket, new DhError('connection_limit', 'The server takes no more connections from here.'));
    });
  }

  /** Takes a place for an event stream; the returned function gives it back. Throws `connection_limit`. */
  openStream(request: IncomingMessage): () => void {
    const { maxEventStreams } = this.#config().limits;
    const perAddress = Math.ceil(maxEventStreams * STREAMS_SHARE);
    const leave = this.#streams.take(this.#clients.addressOf(request), maxEventStreams, perAddress);
    if (leave) return leave;
    throw new DhError('connection_limit', 'The server opens no more event streams.', {
      hint: 'Close others, or raise limits.maxEventStreams.',
    });
  }
}

/** Answers a connection by an error and ends it, whether or not the other side does. */
export function refuse(socket: Duplex, error: DhError): void {
  const body = JSON.stringify({ error: error.toJSON() });
  const timer = setTimeout(() => socket.destroy(), REFUSAL_TIMEOUT);
  socket.once('close', () => clearTimeout(timer));
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? 'Error'}\r\nContent-Type: application/json\r\n` +
      `Connection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
