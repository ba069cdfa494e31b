import { Backoff } from '../backoff.js';
import { isRefused, serverAlerts, serverEventsUrl, serverHistory, serverMemory, serverStats } from './api.js';

const TICK_MS = 1000;
/** Alerts come as events; this often they are asked for all the same, in ticks. */
const ALERTS_EVERY = 15;
/** After a longer pause the history is loaded again, so that the charts have no hole. */
const PAUSE_MS = 5000;
const EVENTS = ['guard', 'alert.raised', 'alert.cleared', 'config.changed', 'stage'];

/**
 * Everything that is known about the server: one question a second, of its memory and of its processes by turns, and
 * none while the page is hidden. Calls that an older server does not have are asked once.
 *
 * Events: `stats`, `memory`, `alerts`, `history` {data} with the server's answer, `server-event` {name, data}.
 */
export class ServerFeed extends EventTarget {
  #missing = new Set();
  #timer = 0;
  #ticks = 0;
  #askedAt = -Infinity;
  #source = null;
  #backoff = new Backoff({ minMs: 1000 });
  #openTimer = 0;
  #closed = false;

  constructor() {
    super();
    document.addEventListener('visibilitychange', this.#onVisible);
    void this.#begin();
    this.#listen();
  }

  /** Whether the server has a call; true until it said otherwise. */
  has(what) {
    return !this.#missing.has(what);
  }

  /** Asks for the alerts now. */
  refreshAlerts() {
    void this.#ask('alerts', serverAlerts);
  }

  close() {
    this.#closed = true;
    document.removeEventListener('visibilitychange', this.#onVisible);
    clearTimeout(this.#timer);
    clearTimeout(this.#openTimer);
    this.#source?.close();
  }

  #onVisible = () => {
    clearTimeout(this.#timer);
    if (document.visibilityState === 'hidden') return;
    if (performance.now() - this.#askedAt > PAUSE_MS) void this.#begin();
    else void this.#tick();
  };

  async #begin() {
    await this.#ask('history', serverHistory);
    await this.#ask('alerts', serverAlerts);
    await this.#ask('memory', serverMemory);
    await this.#tick();
  }

  async #tick() {
    clearTimeout(this.#timer);
    if (this.#closed || document.visibilityState === 'hidden') return;
    const begun = performance.now();
    this.#ticks += 1;
    if (this.#ticks % ALERTS_EVERY === 0 && this.has('alerts')) await this.#ask('alerts', serverAlerts);
    else if (this.#ticks % 2 === 0 && this.has('memory')) await this.#ask('memory', serverMemory);
    else await this.#ask('stats', serverStats);
    if (this.#closed || document.visibilityState === 'hidden') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tick(), Math.max(100, TICK_MS - (performance.now() - begun)));
  }

  async #ask(what, question) {
    if (!this.has(what)) return;
    this.#askedAt = performance.now();
    try {
      const data = await question();
      if (!this.#closed) this.dispatchEvent(new CustomEvent(what, { detail: { data } }));
    } catch (error) {
      // That the server is away the session's feed says; a call that it does not have leaves a gap.
      if (error.status === 404) this.#missing.add(what);
      if (isRefused()) this.close();
    }
  }

  #listen() {
    const source = new EventSource(serverEventsUrl());
    this.#source = source;
    source.addEventListener('open', () => this.#backoff.reset());
    source.addEventListener('error', () => {
      // The browser reconnects by itself, except after a refusal (an older server has no such events).
      if (source.readyState !== EventSource.CLOSED || this.#closed || isRefused()) return;
      this.#openTimer = setTimeout(() => this.#listen(), Math.max(15_000, this.#backoff.next()));
    });
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data: text }) => {
        let data;
        try {
          data = JSON.parse(text);
        } catch {
          return;
        }
        if (name.startsWith('alert.')) this.refreshAlerts();
        this.dispatchEvent(new CustomEvent('server-event', { detail: { name, data } }));
      });
    }
  }
}
