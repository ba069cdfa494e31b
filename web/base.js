/** Address of the server's root, also when it lives below a path prefix or another page embeds these modules. */
export const serverBase = new URL('../', import.meta.url).href;

/** Absolute address of a path below the server's root, given without a leading slash. */
export function serverUrl(path) {
  return new URL(path, serverBase).href;
}

/** The optional access token of this page's address (`?token=`), or an empty string. */
export function pageToken() {
  return new URLSearchParams(location.search).get('token') ?? '';
}

/** Adds `?token=` where headers cannot be sent (events, WebSocket). */
export function withToken(url, token) {
  if (!token) return url;
  const result = new URL(url, serverBase);
  result.searchParams.set('token', token);
  return result.href;
}
