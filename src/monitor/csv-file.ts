import { closeSync, openSync, writeFileSync } from 'node:fs';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';

/** A file that rows are written to as they come, so that nothing is lost when the monitor is killed. */
export class CsvFile implements Closable {
  readonly #path: string;
  readonly #onTrouble: (message: string) => void;
  #file: number | null;

  /**
   * Replaces a file that is there. Throws `write_failed` when it cannot be opened. When it cannot be written to later,
   * as on a full disk, `onTrouble` is told once and the rest is dropped: watching is worth more than the file.
   */
  constructor(path: string, header: string, onTrouble: (message: string) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    try {
      this.#file = openSync(path, 'w');
    } catch (error) {
      throw new DhError('write_failed', `${path} cannot be written: ${(error as Error).message}`, {
        hint: 'Choose a folder that exists and that you may write to.',
        cause: error,
      });
    }
    this.write(header);
  }

  write(row: string): void {
    if (this.#file === null) return;
    try {
      writeFileSync(this.#file, `${row}\n`);
    } catch (error) {
      this.#onTrouble(
        `${this.#path} cannot be written any more (${(error as NodeJS.ErrnoException).code}): going on without it.`,
      );
      this.close();
    }
  }

  close(): void {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    try {
      closeSync(file);
    } catch {
      // The rows that could be written are written.
    }
  }
}
