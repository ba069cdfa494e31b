/** Address of the server's root, also when it lives below a path prefix or another page embeds these modules. */
export const serverBase = new URL('../', import.meta.url).href;

/** Absolute address of a path below the server's root, given without a leading slash. */
export function serverUrl(path) {
  return new URL(path, serverBase).href;
}

const TOKEN_KEY = `dh-live.token ${serverBase}`;

/**
 * Takes the access token out of this page's address (`?token=`), so that an address that is copied, kept or shown does
 * not give the server away. An empty string when there is none.
 */
export function takeTokenFromAddress() {
  const url = new URL(location.href);
  const token = url.searchParams.get('token');
  if (token === null) return '';
  url.searchParams.delete('token');
  history.replaceState(history.state, '', url);
  return token;
}

/** The access token of this tab, from its address once and from then on kept for the tab; or an empty string. */
export function pageToken() {
  const token = takeTokenFromAddress();
  if (token) keepToken(token);
  try {
    return token || (sessionStorage.getItem(TOKEN_KEY) ?? '');
  } catch {
    return token; // a browser that keeps nothing for this page
  }
}

/** Keeps a token for this tab, until it is closed. */
export function keepToken(token) {
  try {
    sessionStorage.setItem(TOKEN_KEY, token);
  } catch {
    // It is asked for again after a reload.
  }
}

/** Adds `?token=` where headers cannot be sent (events, WebSocket). */
export function withToken(url, token) {
  if (!token) return url;
  const result = new URL(url, serverBase);
  result.searchParams.set('token', token);
  return result.href;
}
