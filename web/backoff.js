/**
 * Waiting times for another try: they grow from `minMs` to `maxMs`, with jitter so that many viewers of a server
 * that comes back do not arrive at the same instant.
 */
export class Backoff {
  #minMs;
  #maxMs;
  #factor;
  #jitter;
  #random;
  #tries = 0;

  /**
   * @param {{minMs?: number, maxMs?: number, factor?: number, jitter?: number, random?: () => number}} [options]
   *   `jitter` is the largest relative deviation (0.25 = ± 25 %); `random` answers 0…1.
   */
  constructor({ minMs = 300, maxMs = 5000, factor = 2, jitter = 0.25, random = Math.random } = {}) {
    if (!(minMs > 0 && maxMs >= minMs)) throw new RangeError('Backoff needs 0 < minMs <= maxMs');
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#factor = factor;
    this.#jitter = jitter;
    this.#random = random;
  }

  /** Tries since the last `reset`. */
  get tries() {
    return this.#tries;
  }

  /**
   * Milliseconds until the next try, within `minMs`…`maxMs`.
   * @param {number} [atLeastMs] what the server asked for (Retry-After); it is kept even beyond `maxMs`, with jitter
   *   only upwards.
   */
  next(atLeastMs = 0) {
    const grown = Math.min(this.#maxMs, this.#minMs * this.#factor ** Math.min(this.#tries, 30));
    this.#tries += 1;
    const spread = 1 + this.#jitter * (2 * this.#random() - 1);
    const own = Math.max(this.#minMs, Math.min(this.#maxMs, grown * spread));
    if (atLeastMs <= own) return own;
    return atLeastMs * (1 + this.#jitter * this.#random());
  }

  /** After success: the next wait is short again. */
  reset() {
    this.#tries = 0;
  }
}

/**
 * Milliseconds of a Retry-After header (RFC 9110, section 10.2.3), seconds or a date; 0 when there is none or it
 * makes no sense. Never more than `limitMs`.
 */
export function retryAfterMs(header, nowMs = Date.now(), limitMs = 60_000) {
  if (!header) return 0;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(wait) ? Math.max(0, Math.min(limitMs, wait)) : 0;
}
