import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeAtomically } from '../../render/atomic-file.js';
import type { Clock } from '../../units.js';

export interface AgeLedgerOptions {
  /** Where it is kept over restarts. */
  path: string;
  /** Monotonic, in ms: what ages count by. */
  clock: Clock;
  /** Wall clock in ms: asked only for the time that passed while nobody counted. */
  now: () => number;
  /** Most of that time that counts, in ms. */
  mostAwayMs: () => number;
}

const Saved = z.object({ savedAtMs: z.number(), ages: z.record(z.string(), z.number().min(0)) });

/**
 * How long ago things were last used. A wall clock that is set forward or back while the program runs changes no age;
 * between two runs it counts for no less than nothing and no more than `mostAwayMs`.
 */
export class AgeLedger {
  readonly #options: AgeLedgerOptions;
  /** When each age was 0, by the monotonic clock: before its own beginning for what is older than this run. */
  readonly #since = new Map<string, number>();

  #saving: Promise<void> = Promise.resolve();

  private constructor(options: AgeLedgerOptions) {
    this.#options = options;
  }

  /** One that is damaged or not there is empty. */
  static async open(options: AgeLedgerOptions): Promise<AgeLedger> {
    const ledger = new AgeLedger(options);
    const text = await readFile(options.path, 'utf8').catch(() => '');
    let saved: z.infer<typeof Saved>;
    try {
      saved = Saved.parse(JSON.parse(text));
    } catch {
      return ledger;
    }
    const begin = options.clock() - ledger.#away(saved.savedAtMs);
    for (const [name, age] of Object.entries(saved.ages)) ledger.#since.set(name, begin - age);
    return ledger;
  }

  /** It is used now. */
  touch(name: string): void {
    this.#since.set(name, this.#options.clock());
  }

  /** Begins to count for something that was last used at a time of the wall clock, unless its age is known. */
  adopt(name: string, usedAtMs: number): void {
    if (!this.#since.has(name)) this.#since.set(name, this.#options.clock() - this.#away(usedAtMs));
  }

  /** In ms; 0 for what is not known. */
  age(name: string): number {
    const now = this.#options.clock();
    return now - (this.#since.get(name) ?? now);
  }

  forget(name: string): void {
    this.#since.delete(name);
  }

  /** Forgets what is not among those. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#since.keys()) if (!names.has(name)) this.#since.delete(name);
  }

  /** @throws DhError `disk_full`, `write_failed`. */
  save(): Promise<void> {
    const save = () => this.#write();
    this.#saving = this.#saving.then(save, save);
    return this.#saving;
  }

  async #write(): Promise<void> {
    const ages = Object.fromEntries([...this.#since.keys()].map((name) => [name, Math.max(0, this.age(name))]));
    await writeAtomically(this.#options.path, JSON.stringify({ savedAtMs: this.#options.now(), ages }));
  }

  #away(since: number): number {
    return Math.min(Math.max(0, this.#options.now() - since), this.#options.mostAwayMs());
  }
}
