import { Backoff } from '../backoff.js';
import { eventsUrl, getSession, isRefused } from './api.js';

const EVENTS = ['state', 'utterance.started', 'utterance.ended', 'utterance.interrupted', 'viewers', 'warning'];
const POLL_MS = 1000;

/**
 * Everything that is known about one session: its events as they come, and its figures once a second while the page
 * is visible.
 *
 * Events: `info` {info} (the session, or null while it cannot be had), `event` {name, data}, `trouble` {error} once
 * when the figures stop coming, `recovered` when they are back, `missing` {seen} when there is no such session (any
 * more): then nothing is asked any more.
 */
export class SessionFeed extends EventTarget {
  #id;
  #info = null;
  #source = null;
  #backoff = new Backoff({ minMs: 500 });
  #pollTimer = 0;
  #openTimer = 0;
  #troubled = false;
  #closed = false;
  #seen = false;

  constructor(id) {
    super();
    this.#id = id;
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#listen();
    void this.#poll();
  }

  get id() {
    return this.#id;
  }

  get info() {
    return this.#info;
  }

  /** Asks for the figures now instead of at the next second. */
  refresh() {
    clearTimeout(this.#pollTimer);
    void this.#poll();
  }

  close() {
    this.#closed = true;
    document.removeEventListener('visibilitychange', this.#onVisible);
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#openTimer);
    this.#source?.close();
  }

  #onVisible = () => {
    if (document.visibilityState === 'visible') this.refresh();
  };

  async #poll() {
    const begun = performance.now();
    try {
      const info = await getSession(this.#id);
      if (this.#closed) return;
      this.#info = info;
      this.#seen = true;
      if (this.#troubled) this.#emit('recovered');
      this.#troubled = false;
    } catch (error) {
      if (this.#closed) return;
      this.#info = null;
      if (isRefused()) return this.close();
      if (error.code === 'session_not_found') {
        this.close();
        return this.#emit('missing', { seen: this.#seen });
      }
      if (!this.#troubled) this.#emit('trouble', { error });
      this.#troubled = true;
    }
    this.#emit('info', { info: this.#info });
    clearTimeout(this.#pollTimer);
    if (document.visibilityState === 'hidden') return;
    this.#pollTimer = setTimeout(() => this.#poll(), Math.max(100, POLL_MS - (performance.now() - begun)));
  }

  #listen() {
    const source = new EventSource(eventsUrl(this.#id));
    this.#source = source;
    source.addEventListener('open', () => this.#backoff.reset());
    source.addEventListener('error', () => {
      // The browser reconnects by itself, except after a refusal.
      if (source.readyState !== EventSource.CLOSED || this.#closed || isRefused()) return;
      this.#openTimer = setTimeout(() => this.#listen(), this.#backoff.next());
    });
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data: text }) => {
        let data;
        try {
          data = JSON.parse(text);
        } catch {
          return;
        }
        if (this.#info && name === 'state') this.#info.state = data.state;
        if (this.#info && name === 'viewers') this.#info.viewers = data.count;
        this.#emit('event', { name, data });
      });
    }
  }

  #emit(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
