import { setTimeout as sleep } from 'node:timers/promises';
import type { Closable } from '../units.js';

export interface WebhooksOptions {
  /** Read with each message: addresses and time limit can change while the server runs. */
  settings: () => { webhooks: readonly string[]; webhookTimeoutMs: number };
  /** A message that could not be delivered, or was dropped: for the log. `to` is the address without its secrets. */
  failed?: (to: string, reason: string) => void;
  /** Waits between attempts; passed in so that tests need no time. Rejects when the signal aborts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  fetch?: typeof fetch;
}

export interface WebhookStats {
  to: string;
  /** Messages that wait, the one under way included; at most `MOST_WAITING`, then the oldest is dropped. */
  waiting: number;
  sent: number;
  failed: number;
  dropped: number;
}

/** Messages that wait for one address. */
export const MOST_WAITING = 100;
/** Pauses before the second and the third attempt, in ms. */
const BACKOFF = [1_000, 5_000];

/** Posts JSON to the operator's addresses. Each has a queue of its own: one that hangs holds up no other. */
export class Webhooks implements Closable {
  readonly #options: WebhooksOptions;
  readonly #targets = new Map<string, Target>();
  #closed = false;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** Puts a message into every queue; returns at once. */
  send(message: object): void {
    if (this.#closed) return;
    const { webhooks } = this.#options.settings();
    for (const [url, target] of this.#targets) {
      if (webhooks.includes(url)) continue;
      this.#targets.delete(url);
      target.abort();
    }
    const body = JSON.stringify(message);
    for (const url of new Set(webhooks)) {
      const target = this.#targets.get(url) ?? new Target(url, this.#options);
      this.#targets.set(url, target);
      target.push(body);
    }
  }

  stats(): WebhookStats[] {
    return [...this.#targets.values()].map((target) => target.stats());
  }

  /** Gives what waits at most `graceMs`, then gives up. Twice is harmless. */
  async close(graceMs = 500): Promise<void> {
    this.#closed = true;
    const targets = [...this.#targets.values()];
    const timer = setTimeout(() => targets.forEach((target) => target.abort()), graceMs);
    await Promise.all(targets.map((target) => target.idle()));
    clearTimeout(timer);
    this.#targets.clear();
  }
}

class Target {
  readonly #url: string;
  readonly #label: string;
  readonly #options: WebhooksOptions;
  readonly #queue: string[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #sent = 0;
  #failed = 0;
  #dropped = 0;

  constructor(url: string, options: WebhooksOptions) {
    this.#url = url;
    this.#label = withoutSecrets(url);
    this.#options = options;
  }

  push(body: string): void {
    if (this.#queue.length >= MOST_WAITING) {
      // The first may be under way: dropping the one after it keeps the order.
      this.#queue.splice(this.#running ? 1 : 0, 1);
      this.#dropped += 1;
      if (this.#dropped === 1) this.#options.failed?.(this.#label, `more than ${MOST_WAITING} messages wait`);
    }
    this.#queue.push(body);
    this.#running ??= this.#run().finally(() => (this.#running = null));
  }

  stats(): WebhookStats {
    const waiting = this.#queue.length;
    return { to: this.#label, waiting, sent: this.#sent, failed: this.#failed, dropped: this.#dropped };
  }

  abort(): void {
    this.#stop.abort();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let body = this.#queue[0]; body !== undefined && !this.#stop.signal.aborted; body = this.#queue[0]) {
      const reason = await this.#deliver(body);
      this.#queue.shift();
      if (reason === null) this.#sent += 1;
      else {
        this.#failed += 1;
        this.#options.failed?.(this.#label, reason);
      }
    }
  }

  /** Null when it was taken, otherwise why not. */
  async #deliver(body: string): Promise<string | null> {
    const wait =
      this.#options.wait ?? ((ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false }));
    for (let attempt = 0; ; attempt++) {
      const { reason, again } = await this.#post(body);
      const pause = BACKOFF[attempt];
      if (reason === null || !again || pause === undefined) return reason;
      try {
        await wait(pause, this.#stop.signal);
      } catch {
        return reason;
      }
    }
  }

  async #post(body: string): Promise<{ reason: string | null; again: boolean }> {
    const { webhookTimeoutMs } = this.#options.settings();
    // A controller of its own: the garbage collector may take AbortSignal.timeout's signal away inside AbortSignal.any.
    const controller = new AbortController();
    const give = (): void => controller.abort();
    const timer = setTimeout(give, webhookTimeoutMs);
    this.#stop.signal.addEventListener('abort', give, { once: true });
    if (this.#stop.signal.aborted) give();
    try {
      const { address, headers } = withCredentials(this.#url);
      const response = await (this.#options.fetch ?? fetch)(address, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body,
        // Nobody but the operator says where messages go: a redirection is an answer like another.
        redirect: 'manual',
        signal: controller.signal,
      });
      await response.body?.cancel();
      if (response.ok) return { reason: null, again: false };
      const { status } = response;
      return { reason: `answered ${status}`, again: status >= 500 || status === 408 || status === 429 };
    } catch (error) {
      if (this.#stop.signal.aborted) return { reason: 'the server is stopping', again: false };
      if (controller.signal.aborted) return { reason: `no answer within ${webhookTimeoutMs} ms`, again: true };
      const cause = (error as { cause?: { code?: string } }).cause?.code;
      return { reason: cause ?? 'cannot be reached', again: true };
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener('abort', give);
    }
  }
}

/** Name and password of an address go into a header: fetch takes no address with them. */
function withCredentials(url: string): { address: string; headers: Record<string, string> } {
  const address = new URL(url);
  const { username, password } = address;
  if (username === '' && password === '') return { address: url, headers: {} };
  address.username = '';
  address.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { address: address.href, headers: { Authorization: `Basic ${credentials.toString('base64')}` } };
}

/** Scheme, host and port; path, query and credentials often are the secret. */
function withoutSecrets(url: string): string {
  return URL.canParse(url) ? `${new URL(url).origin}/…` : 'an invalid address';
}
