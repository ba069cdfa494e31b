import { createSession, deleteSession, listAvatars, listPresets, listSessions } from './api.js';
import { byId, create, setText } from './dom.js';
import { logLine, showError } from './notices.js';
import { labelOf } from './speak-panel.js';
import { groupVoices } from './voice-list.js';

const select = byId('session');
const dialog = byId('create');
const REFRESH_MS = 5000;

/**
 * Choosing, creating and deleting sessions. Events: `chosen` {id}: another session is on show, or null; `list` {ids}
 * whenever the server was asked.
 */
export class SessionsPanel extends EventTarget {
  #ids = [];
  #current = null;
  #lost = null;
  #voices = [];

  constructor(wanted) {
    super();
    this.#current = wanted;
    select.addEventListener('change', () => this.choose(select.value));
    byId('session-new').addEventListener('click', () => void this.#ask());
    byId('session-delete').addEventListener('click', () => this.#askDelete());
    byId('create-cancel').addEventListener('click', () => dialog.close());
    dialog.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#create();
    });
    byId('delete').addEventListener('close', () => void this.#delete());
    setInterval(() => document.visibilityState === 'visible' && void this.refresh(), REFRESH_MS);
  }

  get current() {
    return this.#current;
  }

  setVoices(voices) {
    this.#voices = voices;
  }

  /** Asks the server which sessions there are. */
  async refresh() {
    try {
      const answer = await listSessions();
      const list = Array.isArray(answer) ? answer : (answer?.sessions ?? []);
      this.#show(list.map(({ id }) => id));
    } catch {
      // The feed of the session says so already.
    }
  }

  /** The session on show is not there (any more): somebody chooses another, or it comes back. */
  lose() {
    this.#lost = this.#current;
    this.#current = null;
    void this.refresh();
  }

  #show(ids) {
    if (this.#current === null) {
      if (this.#lost === null && ids.length > 0) this.choose(ids[0]);
      else if (ids.includes(this.#lost)) this.choose(this.#lost);
    }
    const shown = this.#current && !ids.includes(this.#current) ? [this.#current, ...ids] : ids;
    const options = this.#current === null && ids.length > 0 ? ['', ...shown] : shown;
    if (options.join('\n') !== this.#ids.join('\n')) {
      this.#ids = options;
      select.replaceChildren(...options.map((id) => create('option', { value: id }, id || 'Choose…')));
    }
    select.value = this.#current ?? '';
    byId('session-delete').disabled = !ids.includes(this.#current);
    this.dispatchEvent(new CustomEvent('list', { detail: { ids } }));
  }

  /** Puts a session on show, or none. */
  choose(id) {
    this.#current = id;
    this.#lost = null;
    const url = new URL(location.href);
    if (id) url.searchParams.set('session', id);
    else url.searchParams.delete('session');
    history.replaceState(null, '', url);
    this.dispatchEvent(new CustomEvent('chosen', { detail: { id } }));
  }

  async #ask() {
    byId('create-error').hidden = true;
    try {
      const [avatars, presets] = await Promise.all([listAvatars(), listPresets()]);
      fill(
        byId('create-avatar'),
        avatars.map(({ name, title }) => [name, title || name]),
      );
      fill(
        byId('create-preset'),
        presets.map(({ name, width, height }) => [name, width ? `${name} (${width} × ${height})` : name]),
      );
      const voices = groupVoices(this.#voices).map(({ name, voices: list }) =>
        create('optgroup', { label: name }, ...list.map((v) => create('option', { value: v.id }, labelOf(v)))),
      );
      byId('create-voice').replaceChildren(create('option', { value: '' }, 'Automatic'), ...voices);
      if (presets.some(({ name }) => name === 'default')) byId('create-preset').value = 'default';
    } catch (error) {
      return showError(error);
    }
    dialog.showModal();
    byId('create-id').focus();
  }

  async #create() {
    const value = (id) => byId(id).value.trim() || undefined;
    try {
      const session = await createSession({
        id: value('create-id'),
        avatar: value('create-avatar'),
        preset: value('create-preset'),
        voice: value('create-voice'),
      });
      dialog.close();
      byId('create-id').value = '';
      logLine(`Session ${session.id} was created.`);
      this.choose(session.id);
      await this.refresh();
    } catch (error) {
      setText(byId('create-error'), [error.message, error.hint].filter(Boolean).join(' '));
      byId('create-error').hidden = false;
    }
  }

  #askDelete() {
    const viewersLose = 'Its viewers lose the picture, and what it has still to say is lost.';
    setText(byId('delete-text'), `“${this.#current}” ends at once. ${viewersLose}`);
    byId('delete').returnValue = '';
    byId('delete').showModal();
  }

  async #delete() {
    const id = this.#current;
    if (byId('delete').returnValue !== 'delete' || !id) return;
    try {
      await deleteSession(id);
      logLine(`Session ${id} was deleted.`);
      this.#current = null;
      this.#lost = null;
      await this.refresh();
      if (this.#current === null) this.choose(null);
    } catch (error) {
      showError(error);
    }
  }
}

function fill(element, pairs) {
  element.replaceChildren(...pairs.map(([value, text]) => create('option', { value }, text)));
}
