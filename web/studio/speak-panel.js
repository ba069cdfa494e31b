import { say } from './api.js';
import { byId, create, setText } from './dom.js';
import { languagesOf, groupVoices } from './voice-list.js';
import { clearNotice, showError } from './notices.js';

const text = byId('text');
const voice = byId('voice');
const language = byId('language');
const search = byId('voice-search');

/** Typing and speaking; voice and language. */
export class SpeakPanel {
  #sessionId;
  #voices = [];
  #said = [];
  #recalled = 0;
  #sending = false;
  #maxChars = Infinity;

  /** @param {() => string | null} sessionId the session that speaks */
  constructor(sessionId) {
    this.#sessionId = sessionId;
    byId('speak').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#say();
    });
    text.addEventListener('input', () => this.#count());
    text.addEventListener('keydown', (event) => this.#onKey(event));
    search.addEventListener('input', () => this.#showVoices());
    search.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      voice.focus();
    });
    voice.addEventListener('change', () => {
      localStorage.setItem('dh-live.voice', voice.value);
      this.#limitLanguages();
    });
    language.addEventListener('change', () => localStorage.setItem('dh-live.language', language.value));
    this.#showVoices();
  }

  /** The longest text that the server takes. */
  setLimit(maxChars) {
    this.#maxChars = maxChars ?? Infinity;
    this.#count();
  }

  setVoices(voices) {
    this.#voices = voices;
    this.#showVoices(localStorage.getItem('dh-live.voice') ?? '');
    const kept = localStorage.getItem('dh-live.language') ?? '';
    const options = languagesOf(voices).map(({ tag, name }) => create('option', { value: tag }, name));
    language.replaceChildren(create('option', { value: '' }, 'Automatic'), ...options);
    language.value = kept;
    if (language.selectedIndex < 0) language.value = '';
    this.#limitLanguages();
  }

  /** A voice that was chosen speaks its own languages only: the others are not offered. */
  #limitLanguages() {
    const chosen = this.#voices.find(({ id }) => id === voice.value);
    const spoken = new Set(chosen?.languages?.map(baseOf));
    for (const option of language.options) {
      option.disabled = spoken.size > 0 && option.value !== '' && !spoken.has(baseOf(option.value));
    }
    if (language.selectedOptions[0]?.disabled) language.value = '';
  }

  #showVoices(selected = voice.value) {
    const groups = groupVoices(this.#voices, search.value).map(({ name, voices }) => {
      const options = voices.map((v) => create('option', { value: v.id }, labelOf(v)));
      return create('optgroup', { label: name }, ...options);
    });
    const count = groups.reduce((sum, group) => sum + group.children.length, 0);
    const first = search.value.trim() === '' ? 'Automatic' : `Automatic (${count} found below)`;
    voice.replaceChildren(create('option', { value: '' }, first), ...groups);
    voice.value = selected;
    // A search takes its first hit at once, as a person who searched wants it.
    if (voice.selectedIndex < 1) voice.selectedIndex = search.value.trim() !== '' && count > 0 ? 1 : 0;
    this.#limitLanguages();
  }

  #count() {
    const length = [...text.value].length;
    const over = length > this.#maxChars;
    const words = length === 1 ? '1 character' : `${length} characters`;
    setText(byId('count'), over ? `${words}, ${this.#maxChars} at most` : words);
    byId('count').classList.toggle('error', over);
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      // On a touch keyboard Enter is the only way to a new line; there the button speaks.
      const touch = matchMedia('(pointer: coarse)').matches;
      if (touch && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      void this.#say();
    } else if (event.key === 'ArrowUp' && (text.value === '' || text.value === this.#said[this.#recalled])) {
      if (this.#said.length === 0) return;
      event.preventDefault();
      this.#recalled = text.value === '' ? this.#said.length - 1 : Math.max(0, this.#recalled - 1);
      text.value = this.#said[this.#recalled];
      this.#count();
    }
  }

  async #say() {
    const id = this.#sessionId();
    const words = text.value.trim();
    if (words === '' || this.#sending) return text.focus();
    if (!id) return showError(new Error('There is no session to speak.'));
    this.#sending = true;
    byId('say').setAttribute('aria-disabled', 'true');
    try {
      await say(id, {
        text: words,
        ...(voice.value ? { voice: voice.value } : {}),
        ...(language.value ? { language: language.value } : {}),
        interrupt: byId('interrupt-first').checked,
      });
      clearNotice();
      this.#said.push(words);
      this.#recalled = this.#said.length - 1;
      // What was typed while the request was under way stays.
      if (text.value.trim() === words) text.value = '';
      this.#count();
    } catch (error) {
      showError(error);
    } finally {
      this.#sending = false;
      byId('say').removeAttribute('aria-disabled');
      text.focus();
    }
  }
}

const baseOf = (tag) => tag.split('-')[0];

/** A voice as one line of a list. */
export function labelOf({ id, name, engine, languages, gender }) {
  const region = languages?.[0]?.includes('-') ? languages[0] : '';
  const extra = [region, gender, engine].filter(Boolean).join(', ');
  return extra ? `${name ?? id} (${extra})` : (name ?? id);
}
