import { DhError } from '../errors.js';

interface Waiter {
  enter: () => void;
}

/** Lets `capacity` jobs in at a time; `maxWaiting` more wait their turn, in order, for a limited time. */
export class JobSlots {
  readonly #capacity: number;
  readonly #maxWaiting: number;
  readonly #waiters: Waiter[] = [];
  #inside = 0;

  constructor(capacity: number, maxWaiting: number) {
    this.#capacity = capacity;
    this.#maxWaiting = maxWaiting;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Resolves when the job may run; `leave` follows. @throws DhError `queue_full`; the signal's reason. */
  async enter(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#inside < this.#capacity) {
      this.#inside++;
      return;
    }
    if (this.#waiters.length >= this.#maxWaiting) throw full();
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    const waiter: Waiter = { enter: () => undefined };
    try {
      await new Promise<void>((resolve, reject) => {
        const giveUp = (error: Error): void => {
          const at = this.#waiters.indexOf(waiter);
          if (at >= 0) this.#waiters.splice(at, 1);
          reject(error);
        };
        waiter.enter = resolve;
        timer = setTimeout(() => giveUp(full()), timeoutMs);
        onAbort = () => giveUp(signal?.reason as Error);
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#waiters.push(waiter);
      });
    } finally {
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Gives the place to the one that waits longest. */
  leave(): void {
    const next = this.#waiters.shift();
    if (next) next.enter();
    else this.#inside--;
  }
}

function full(): DhError {
  return new DhError('queue_full', 'too many sound files are being decoded', { hint: 'Try again in a few seconds.' });
}
