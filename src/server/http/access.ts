import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Config } from '../../config/schema.js';
import { DhError } from '../../errors.js';

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

/**
 * Whether a request may use the API: the only such check, of HTTP calls (a hook of the plugin that holds them, so it
 * follows the route that was matched, however the path was spelled) and of WebSocket upgrades.
 * The origin comes first: a page of another site learns nothing about a token. Throws `origin_forbidden`,
 * `unauthorized`.
 */
export function checkAccess({ corsOrigins, token }: Config['server'], { headers, url }: IncomingMessage): void {
  checkOrigin(corsOrigins, headers.origin, headers.host);
  authorize(token, headers.authorization, url ?? '');
}

/** The query of a request target, which need not be a URL that `new URL` takes. */
export function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}

function authorize(token: string | undefined, header: string | undefined, url: string): void {
  if (token === undefined) return;
  const given = header?.startsWith('Bearer ') ? header.slice('Bearer '.length) : (queryOf(url).get('token') ?? '');
  const a = Buffer.from(given);
  const b = Buffer.from(token);
  if (a.length === b.length && timingSafeEqual(a, b)) return;
  throw new DhError('unauthorized', 'A valid access token is needed.', {
    hint: 'Send "Authorization: Bearer <token>", or ?token= where headers cannot be set.',
  });
}

/** Without this any page that somebody visits could make the avatar on their machine speak, or stop it. */
function checkOrigin(allowed: readonly string[], origin: string | undefined, host: string | undefined): void {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new DhError('origin_forbidden', 'Pages of another site may not use the API.', {
    hint: 'Allow the site in server.corsOrigins.',
  });
}
