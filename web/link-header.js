/**
 * ICE servers of a `Link` header (RFC 9725, section 4.6): `<turn:host>; rel="ice-server"; username="u";
 * credential="c"`. Other relations and broken entries are skipped.
 * @param {string | null} header
 * @returns {{urls: string, username?: string, credential?: string}[]}
 */
export function iceServersOf(header) {
  const servers = [];
  for (const [, urls, rest] of (header ?? '').matchAll(/<((?:stuns?|turns?):[^>]+)>((?:"[^"]*"|[^,"])*)/gi)) {
    const parameters = Object.fromEntries(
      [...rest.matchAll(/;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^;,\s]*))/g)].map((m) => [m[1].toLowerCase(), m[2] ?? m[3]]),
    );
    if (parameters.rel !== 'ice-server') continue;
    servers.push({
      urls,
      ...(parameters.username ? { username: parameters.username } : {}),
      ...(parameters.credential ? { credential: parameters.credential } : {}),
    });
  }
  return servers;
}
