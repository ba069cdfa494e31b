import { access, tryToken } from './api.js';
import { byId, setText } from './dom.js';

const form = byId('access');
const field = byId('access-token');
/** What cannot be done without a token. */
const CONTROLS = ['session', 'session-new', 'session-delete', 'interrupt', 'say', 'talk', 'file'];

/** Asks for the server's access token when a call was refused. `onRefused` shows what can be had without one. */
export class AccessPanel {
  constructor(onRefused) {
    access.addEventListener('refused', ({ detail }) => {
      this.#ask(detail.hadToken);
      onRefused();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#try(field.value.trim());
    });
  }

  #ask(hadToken) {
    const title = hadToken ? 'The access token of this page is wrong.' : 'This server asks for an access token.';
    setText(byId('access-title'), title);
    setText(byId('access-hint'), 'It is the server’s setting server.token. Watching works without it.');
    form.hidden = false;
    for (const id of CONTROLS) byId(id).disabled = true;
    field.focus();
  }

  async #try(token) {
    let problem = 'That is not the token of this server.';
    try {
      if (await tryToken(token)) return location.reload();
    } catch (error) {
      problem = [error.message, error.hint].filter(Boolean).join(' ');
    }
    setText(byId('access-error'), problem);
    byId('access-error').hidden = false;
    field.select();
  }
}
