import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/schema.js';
import { DhError } from '../../errors.js';

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
