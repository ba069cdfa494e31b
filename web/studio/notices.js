import { byId, create, setText } from './dom.js';

const KEPT_ENTRIES = 200;
const log = byId('log');
const notice = byId('notice');

byId('notice-close').addEventListener('click', clearNotice);
byId('log-clear').addEventListener('click', () => log.replaceChildren());

/** Adds a line to the event log; level is `info`, `warning` or `error`. */
export function logLine(text, level = 'info') {
  const time = new Date();
  const stamp = create('time', { dateTime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false }));
  const line = create('li', { className: level }, stamp, create('span', {}, text));
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  log.append(line);
  while (log.children.length > KEPT_ENTRIES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** Shows what went wrong in words, with what to do about it. A cancelled action is no error. */
export function showError(error) {
  if (error?.name === 'AbortError') return;
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
