import { byId, create, setText } from './dom.js';
import { nameOf } from './names.js';

const MAX_SHOWN = 5;

/** What waits to be said after the present utterance, as a list; and why it waits, while somebody speaks live. */
export class WaitingPanel {
  #info = null;
  #talking = false;

  /** The session, or null. */
  update(info) {
    this.#info = info;
    this.#show();
  }

  /** Whether the microphone of this page is live: what was typed waits for its end. */
  talking(talking) {
    this.#talking = talking;
    this.#show();
  }

  #show() {
    const { waiting = 0, pending = [] } = this.#info ?? {};
    byId('waiting').hidden = waiting === 0;
    if (waiting === 0) return;
    const count = waiting === 1 ? 'One more waits' : `${waiting} more wait`;
    setText(byId('waiting-title'), this.#talking ? `${count} until you stop talking` : count);
    const list = byId('waiting-list');
    const shown = pending.slice(0, MAX_SHOWN);
    const key = JSON.stringify([shown, waiting]);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    const left = waiting - shown.length;
    list.replaceChildren(
      ...shown.map(({ id, text }) => create('li', text ? { title: text } : {}, text ?? nameOf(id) ?? 'Sound')),
      ...(shown.length > 0 && left > 0 ? [create('li', {}, `and ${left} more`)] : []),
    );
  }
}
