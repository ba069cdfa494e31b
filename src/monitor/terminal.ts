import type { Closable } from '../units.js';

/** The part of a TTY stream that is used. */
export interface TerminalStream {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** Terminals that know it show what is between at once; the others ignore it. */
const [BEGIN, END] = ['\u001b[?2026h', '\u001b[?2026l'];

/**
 * The screen of a terminal, drawn over in place: each line is overwritten and its rest cleared, nothing is blanked
 * first, so nothing flickers. `close` gives the terminal back as it was; also called when the process exits.
 */
export class Terminal implements Closable {
  readonly #stream: TerminalStream;
  readonly #onResize: () => void;
  readonly #onExit = (): void => this.close();
  #open = true;
  #shown = '';

  constructor(stream: TerminalStream, onResize: () => void) {
    this.#stream = stream;
    this.#onResize = (): void => {
      this.#shown = '';
      onResize();
    };
    stream.write(ENTER);
    stream.on('resize', this.#onResize);
    process.on('exit', this.#onExit);
  }

  get size(): { columns: number; rows: number } {
    // A terminal that does not tell its size says 0.
    return { columns: this.#stream.columns || 80, rows: this.#stream.rows || 24 };
  }

  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\u001b[K`).join('\r\n');
    if (!this.#open || text === this.#shown) return;
    this.#shown = text;
    this.#stream.write(`${BEGIN}\u001b[H${text}\u001b[J${END}`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.off('resize', this.#onResize);
    process.off('exit', this.#onExit);
    this.#stream.write(LEAVE);
  }
}
