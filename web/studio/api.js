import { keepToken, pageToken, serverUrl, withToken } from '../base.js';

/** An answer that is not a success, with the server's own words (`api.md`, Errors). */
export class ApiError extends Error {
  constructor(status, { code = '', message = '', hint = '' } = {}) {
    super(message || (status ? `The server answered ${status}.` : 'The server does not answer.'));
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.hint = hint || (status ? '' : 'Is it running, and is the network up? This page goes on trying.');
  }
}

const token = pageToken();
const headers = token ? { Authorization: `Bearer ${token}` } : {};
let refusal = null;

/** Event `refused` {hadToken}, once: the server wants a token, or another one. From then on nothing is asked of it. */
export const access = new EventTarget();
export const isRefused = () => refusal !== null;

/** Whether the server takes this token; if so it is kept for this tab, and used from the next load of the page on. */
export async function tryToken(value) {
  const response = await fetch(serverUrl('api/v1/sessions'), {
    headers: { Authorization: `Bearer ${value}` },
    signal: AbortSignal.timeout(10_000),
  }).catch(() => {
    throw new ApiError(0);
  });
  if (response.ok) keepToken(value);
  else if (response.status !== 401)
    throw new ApiError(response.status, (await response.json().catch(() => null))?.error);
  return response.ok;
}

const sessionPath = (id, tail = '') => `api/v1/sessions/${encodeURIComponent(id)}${tail}`;

async function call(method, path, { json, signal } = {}) {
  if (refusal) throw refusal;
  const response = await fetch(serverUrl(path), {
    method,
    headers: json === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
    body: json === undefined ? undefined : JSON.stringify(json),
    signal: signal ?? AbortSignal.timeout(10_000),
  }).catch((error) => {
    throw error.name === 'AbortError' ? error : new ApiError(0);
  });
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return body;
  const error = new ApiError(response.status, body?.error);
  if (response.status === 401 && !refusal) {
    refusal = error;
    access.dispatchEvent(new CustomEvent('refused', { detail: { hadToken: token !== '' } }));
  }
  throw error;
}

export const listSessions = () => call('GET', 'api/v1/sessions');
export const getSession = (id) => call('GET', sessionPath(id));
export const createSession = (options) => call('POST', 'api/v1/sessions', { json: options });
export const deleteSession = (id) => call('DELETE', sessionPath(id));
export const say = (id, request) => call('POST', sessionPath(id, '/say'), { json: request });
export const interrupt = (id) => call('POST', sessionPath(id, '/interrupt'), { json: {} });
export const listVoices = () => call('GET', 'api/v1/voices');
export const listPresets = () => call('GET', 'api/v1/presets');
export const listAvatars = () => call('GET', 'api/v1/avatars');
export const serverStats = () => call('GET', 'api/v1/stats');
export const serverMemory = () => call('GET', 'api/v1/memory');
export const serverAlerts = () => call('GET', 'api/v1/alerts');
export const serverHistory = () => call('GET', 'api/v1/history?resolution=1s');
export const getReport = () => call('GET', 'api/v1/report');
export const getConfig = () => call('GET', 'api/v1/config');
export const patchConfig = (change) => call('PATCH', 'api/v1/config', { json: change });
export const patchSession = (id, change) => call('PATCH', sessionPath(id), { json: change });

/** Address of a session's WHEP endpoint. */
export const whepUrl = (id) => serverUrl(`whep/${encodeURIComponent(id)}`);

/** Address of a session's events for EventSource. */
export const eventsUrl = (id) => withToken(serverUrl(sessionPath(id, '/events')), token);

/** Address of the whole server's events for EventSource. */
export const serverEventsUrl = () => withToken(serverUrl('api/v1/events'), token);

/** Address of a session's PCM WebSocket at the given rate. */
export function audioSocketUrl(id, rateHz) {
  const url = new URL(withToken(serverUrl(sessionPath(id, `/audio?rate=${rateHz}`)), token));
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Sends sound to be spoken. XMLHttpRequest, because fetch tells nothing about the progress of an upload.
 * @param {string} id session
 * @param {Blob} blob its `type` is sent as Content-Type
 * @param {{interruptFirst?: boolean, onProgress?: (ratio: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<{utteranceId: string}>}
 */
export function uploadAudio(id, blob, { interruptFirst = false, onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new globalThis.XMLHttpRequest();
    request.open('POST', serverUrl(sessionPath(id, `/audio${interruptFirst ? '?interrupt=true' : ''}`)));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.setRequestHeader('Content-Type', blob.type || 'application/octet-stream');
    request.upload.addEventListener('progress', (event) => onProgress?.(event.loaded / event.total));
    request.addEventListener('load', () => {
      const body = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(body);
      else reject(new ApiError(request.status, body?.error));
    });
    request.addEventListener('error', () => reject(new ApiError(0)));
    request.addEventListener('abort', () => reject(new DOMException('The upload was cancelled.', 'AbortError')));
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(blob);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
