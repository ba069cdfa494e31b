/** Where a progress line is shown: a terminal. */
export interface Terminal {
  write(text: string): unknown;
  columns?: number;
}

const BAR_WIDTH = 30;
const START_OF_LINE = '\r\x1b[K';

/**
 * One line at the bottom of a terminal that says how far something is. Whatever else is printed meanwhile goes above it;
 * at the end it is gone. The cursor is only moved within its line: where that is on the screen may change at any time.
 */
export class ProgressLine {
  readonly #terminal: Terminal;
  #text = '';

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows how far it is, `share` 0…1, and what is done. */
  show(share: number, what: string): void {
    const done = Math.floor(BAR_WIDTH * Math.min(1, share));
    const bar = '='.repeat(done) + '-'.repeat(BAR_WIDTH - done);
    const percent = `${Math.floor(100 * Math.min(1, share))}`.padStart(3);
    // In the last column some terminals begin a new line.
    this.#text = `${bar} ${percent} %  ${what}`.slice(0, (this.#terminal.columns ?? 80) - 1);
    this.#terminal.write(`${START_OF_LINE}${this.#text}`);
  }

  /** Prints a line above. */
  print(line: string): void {
    this.#terminal.write(`${this.#text === '' ? '' : START_OF_LINE}${line}\n${this.#text}`);
  }

  /** Removes it; twice is harmless. */
  close(): void {
    if (this.#text !== '') this.#terminal.write(START_OF_LINE);
    this.#text = '';
  }
}
