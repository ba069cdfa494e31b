import { byId, create, setText } from './dom.js';

const overlay = byId('no-session');
const CONTROLS = ['record', 'interrupt', 'say', 'talk', 'file'];

/**
 * Says over the picture that there is no session to show, and offers those that there are.
 * @param {string} title
 * @param {string[]} ids sessions that can be shown
 * @param {(id: string) => void} choose
 */
export function showNoSession(title, ids, choose) {
  const text = ids.length > 0 ? 'Show another one, or create one with “New…”:' : 'Create one with “New…”.';
  setText(byId('no-session-title'), title);
  setText(byId('no-session-text'), text);
  const buttons = ids.map((id) => create('button', { type: 'button', onclick: () => choose(id) }, id));
  const list = byId('no-session-list');
  const key = ids.join('\n');
  if (list.dataset.key !== key || overlay.hidden) list.replaceChildren(...buttons);
  list.dataset.key = key;
  setUsable(false);
}

export function hideNoSession() {
  setUsable(true);
}

function setUsable(usable) {
  overlay.hidden = usable;
  for (const id of CONTROLS) byId(id).disabled = !usable;
}
