import { byId, create, setText } from './dom.js';

const KEPT_ENTRIES = 200;
const MAX_CHARS = 200;
const log = byId('log');
const lines = log.firstElementChild;
const notice = byId('notice');

byId('notice-close').addEventListener('click', clearNotice);
byId('log-clear').addEventListener('click', () => lines.replaceChildren());

/** Adds a line to the event log; level is `info`, `warning` or `error`. */
export function logLine(text, level = 'info') {
  const time = new Date();
  const stamp = create('time', { dateTime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false }));
  const line = create('li', { className: level }, stamp, create('span', {}, shorten(text)));
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  lines.append(line);
  while (lines.children.length > KEPT_ENTRIES) lines.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** Shows what went wrong in words, with what to do about it. A cancelled action is no error. */
export function showError(error) {
  if (error?.name === 'AbortError' || error?.status === 401) return; // for a token there is a field of its own
  const message = error?.message || 'Something went wrong.';
  const hint = error?.hint ?? '';
  setText(byId('notice-message'), message);
  setText(byId('notice-hint'), hint);
  notice.hidden = false;
  logLine([message, hint].filter(Boolean).join(' '), 'error');
}

export function clearNotice() {
  notice.hidden = true;
}

/** A text as a line of the log: whoever spoke a whole page knows how it goes on. */
function shorten(text) {
  const letters = [...text];
  return letters.length > MAX_CHARS ? `${letters.slice(0, MAX_CHARS).join('')}…` : text;
}
