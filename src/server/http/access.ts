import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Config } from '../../config/schema.js';
import { DhError } from '../../errors.js';
import { isLoopback } from '../exposure.js';
import { forwardedFor, type Clients } from './clients.js';

/** A host and perhaps a port, as in the `Host` header (RFC 9110, 7.2): nothing else that `new URL` makes a host of. */
const HOST = /^(?:\[([\da-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::\d*)?$/i;

/**
 * Whether the name by which a request calls this server is one of its own. A page whose own name was made to point here
 * (DNS rebinding) is of the same origin for a browser; only the name gives it away. An address cannot be made to point
 * elsewhere, so any address will do, and browsers resolve `localhost` themselves. Of everything: pages and watching,
 * too. Who sends no `Host` is no browser. Throws `host_forbidden`.
 */
export function checkHost({ host: bound, allowedHosts }: Config['server'], { headers }: IncomingMessage): void {
  if (headers.host === undefined || allowedHosts.includes('*')) return;
  const [, address, written] = HOST.exec(headers.host) ?? [];
  const name = plainName(written ?? '');
  if (isIP(address ?? name) !== 0) return;
  if (name !== '' && [bound, hostname(), ...allowedHosts].some((own) => plainName(own) === name)) return;
  if (name === 'localhost' || name.endsWith('.localhost')) return;
  const shown = headers.host.slice(0, 100);
  throw new DhError('host_forbidden', `"${shown}" is not a name of this server.`, {
    hint: `If it is to be one, name it in server.allowedHosts (DH_LIVE_SERVER_ALLOWED_HOSTS=${name.slice(0, 100) || '…'}).`,
  });
}

/** Small letters, without the dot that may end a full name. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Addresses whose last wrong token is kept. */
const WRONG_TOKENS_KEPT = 1_000;

/** Too much came from an address; `retryAfterS` is when it may go on. */
export class RateLimited extends DhError {
  readonly retryAfterS: number;

  constructor(what: string, setting: string, retryAfterS: number) {
    super('rate_limited', `Too many ${what} come from this address.`, {
      hint: `Try again in ${retryAfterS} s; limits.${setting} says how many there may be.`,
    });
    this.retryAfterS = retryAfterS;
  }
}

type Limiter = ReturnType<FastifyInstance['createRateLimit']>;
type RateSetting = 'callsPerMinute' | 'offersPerMinute' | 'wrongTokensPerMinute';

/**
 * Who may do what, and how often: the only such check, for HTTP and WebSocket upgrades alike. Of HTTP, `authorize` is a
 * hook of the plugin that holds the API, so it follows the route that was matched, however the path was spelled.
 */
export class Access {
  readonly #config: () => Config;
  readonly #clients: Clients;
  readonly #calls: Limiter;
  readonly #offers: Limiter;
  readonly #wrongTokens: Limiter;
  /** The same wrong token again is a page that was left open, not another guess. */
  readonly #lastWrong = new LRUCache<string, string>({ max: WRONG_TOKENS_KEPT });

  /** @param app with `@fastify/rate-limit` */
  constructor(app: FastifyInstance, clients: Clients, config: () => Config) {
    this.#config = config;
    this.#clients = clients;
    const perMinute = (setting: RateSetting): Limiter =>
      app.createRateLimit({
        max: () => config().limits[setting],
        timeWindow: 60_000,
        keyGenerator: ({ raw }) => clients.addressOf(raw) ?? '',
        allowList: (_request, address) => address === '',
      });
    this.#calls = perMinute('callsPerMinute');
    this.#offers = perMinute('offersPerMinute');
    this.#wrongTokens = perMinute('wrongTokensPerMinute');
  }

  /** Whether the server is called by a name of its own. Throws `host_forbidden`. */
  checkHost(request: IncomingMessage): void {
    checkHost(this.#config().server, request);
  }

  /** Counts a call, of any kind. Throws `rate_limited`. */
  async countCall(request: IncomingMessage): Promise<void> {
    await count(this.#calls, request, 'calls', 'callsPerMinute');
  }

  /** Counts a WHEP offer that a stage is to answer. Throws `rate_limited`. */
  async countOffer(request: IncomingMessage): Promise<void> {
    await count(this.#offers, request, 'offers', 'offersPerMinute');
  }

  /**
   * Whether a request may use the API. The origin comes first: a page of another site learns nothing about a token.
   * An address that guesses is not even heard with the right one. Throws `origin_forbidden`, `unauthorized`,
   * `rate_limited`.
   */
  async authorize(request: IncomingMessage): Promise<void> {
    const { corsOrigins, token, insecure } = this.#config().server;
    checkOrigin(corsOrigins, request);
    if (token === undefined) {
      if (insecure || !isForwarded(request)) return;
      throw new DhError('unauthorized', 'A proxy has opened the server to others, and server.token is not set.', {
        hint: 'Set server.token, or start the server with --insecure.',
      });
    }
    const given = tokenOf(request);
    const right = given !== null && timingSafeEqual(digest(given), digest(token));
    const guess = given === null || right ? null : digest(given).toString('latin1');
    const address = this.#clients.addressOf(request) ?? '';
    const isNew = guess !== null && this.#lastWrong.get(address) !== guess;
    if (isNew) this.#lastWrong.set(address, guess);
    await count(this.#wrongTokens, request, 'wrong tokens', 'wrongTokensPerMinute', isNew);
    if (right) return;
    throw new DhError('unauthorized', 'A valid access token is needed.', {
      hint: 'Send "Authorization: Bearer <token>", or ?token= where headers cannot be set.',
    });
  }
}

/** The query of a request target, which need not be a URL that `new URL` takes. */
export function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}

async function count(
  limiter: Limiter,
  raw: IncomingMessage,
  what: string,
  setting: RateSetting,
  increment = true,
): Promise<void> {
  // All that a limiter looks at; an upgrade has no request of Fastify's.
  const asked = { raw, routeOptions: {} } as FastifyRequest;
  const found = await limiter(asked, { increment });
  if (!found.isAllowed && found.isExceeded) throw new RateLimited(what, setting, Math.max(1, found.ttlInSeconds));
}

/**
 * Whether a proxy passes a call on for another machine: listening on loopback alone then keeps nobody out. Of
 * `Forwarded` (RFC 7239) it is enough that it is there.
 */
function isForwarded({ headers }: IncomingMessage): boolean {
  return headers.forwarded !== undefined || forwardedFor(headers).some((hop) => isIP(hop) === 0 || !isLoopback(hop));
}

function tokenOf({ headers, url = '' }: IncomingMessage): string | null {
  const { authorization } = headers;
  return authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : queryOf(url).get('token');
}

/** Of equal length for any two texts, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Without this any page that somebody visits could make the avatar on their machine speak, or stop it. */
function checkOrigin(allowed: readonly string[], { headers: { origin, host } }: IncomingMessage): void {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new DhError('origin_forbidden', 'Pages of another site may not use the API.', {
    hint: 'Allow the site in server.corsOrigins.',
  });
}
