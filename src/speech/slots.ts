/** A number of places; who finds none waits in order, and may give up while waiting. */
export class Slots {
  readonly #waiting: { enter: (entered: boolean) => void }[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves to true with a place, which must be released; to false when the signal was aborted first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    return new Promise((resolve) => {
      const waiter = { enter: resolve };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
      };
      waiter.enter = (entered) => {
        signal.removeEventListener('abort', leave);
        resolve(entered);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next) next.enter(true);
    else this.#free += 1;
  }
}
