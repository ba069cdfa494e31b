import type { ChildProcess } from 'node:child_process';
import pidusage from 'pidusage';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import { MALLOC_ENV, YOUNG_HEAP_FLAG } from '../malloc-env.js';
import { forkChild } from '../rpc/fork-child.js';
import type { MemoryLoan } from '../units.js';
import type { BakeReply, BakeRequest } from './bake-worker.js';

/** How often the memory of the process is read, in milliseconds. */
const MEMORY_INTERVAL = 250;
/** With a small heap the garbage of drawing is collected sooner: a third less memory for a tenth more time. */
const HEAP_FLAGS = [YOUNG_HEAP_FLAG, '--max-old-space-size=96'];

export interface BakeChildOptions {
  request: BakeRequest;
  /** Memory that the process may take, which it gives back when it is gone; null: as much as it wants. */
  loan: MemoryLoan | null;
  onProgress: (done: number, total: number) => void;
  /** It died by itself, or took more memory than it may. */
  onFailure: () => void;
}

/** A process that bakes one avatar, from its start to its end. */
export class BakeChild {
  /** Settled when the avatar was found to be valid. Rejects as `path`. */
  readonly loaded: Promise<void>;
  /** Path of the baked avatar, when the process is gone. Rejects with a DhError. */
  readonly path: Promise<string>;
  readonly #child: ChildProcess;
  readonly #options: BakeChildOptions;
  #onLoaded: () => void = () => undefined;
  #outcome: { path: string } | { error: DhError } | null = null;

  constructor(options: BakeChildOptions) {
    this.#options = options;
    const child = forkChild(entryPath(import.meta.url, './bake-worker.js'), {
      execArgv: HEAP_FLAGS,
      env: { ...MALLOC_ENV, ...process.env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    const { loan, request } = options;
    const watch = loan && setInterval(() => void this.#checkMemory(loan.bytes), MEMORY_INTERVAL).unref();
    const onRecall = (): void => this.kill(DhError.from(loan?.recalled.reason));
    loan?.recalled.addEventListener('abort', onRecall, { once: true });
    this.path = new Promise<string>((resolve, reject) => {
      const gone = (): void => {
        if (watch) clearInterval(watch);
        loan?.recalled.removeEventListener('abort', onRecall);
        loan?.close();
        this.#outcome ??= { error: this.#failed('task_crashed', 'The process that draws avatars ended unexpectedly.') };
        if ('path' in this.#outcome) resolve(this.#outcome.path);
        else reject(this.#outcome.error);
      };
      child.once('exit', gone);
      child.once('error', () => {
        if (child.pid === undefined) gone();
      });
    });
    this.loaded = new Promise<void>((resolve, reject) => {
      this.#onLoaded = resolve;
      this.path.then(() => resolve(), reject);
    });
    // Whoever waits for them hears of it.
    for (const step of [this.loaded, this.path]) step.catch(() => undefined);
    child.on('message', (reply: BakeReply) => this.#receive(reply));
    // When it cannot be sent the process is gone, which says so itself.
    child.send(request, () => undefined);
    if (loan?.recalled.aborted) onRecall();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends the process; unless it was done, its drawing fails with `reason`. */
  kill(reason: DhError): void {
    this.#outcome ??= { error: reason };
    this.#child.kill('SIGKILL');
  }

  #receive(reply: BakeReply): void {
    if (reply.kind === 'loaded') return this.#onLoaded();
    if (reply.kind === 'progress') return this.#options.onProgress(reply.done, reply.total);
    this.#outcome ??= reply.kind === 'done' ? { path: reply.path } : { error: DhError.from(reply.error) };
    this.#child.kill('SIGKILL');
  }

  async #checkMemory(limitBytes: number): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.#outcome) return;
    const rssBytes = await pidusage(pid).then(
      ({ memory }) => memory,
      () => 0, // it has just ended
    );
    if (rssBytes <= limitBytes || this.#outcome !== null) return;
    const limit = Math.round(limitBytes / 1e6);
    this.kill(
      this.#failed('memory_pressure', `Drawing the avatar takes more than its limit of ${limit} MB.`, {
        hint: 'Raise memory.maxMemoryMb, or draw it ahead of time: dh-live avatar draw.',
      }),
    );
  }

  #failed(code: 'task_crashed' | 'memory_pressure', message: string, options?: { hint: string }): DhError {
    this.#options.onFailure();
    return new DhError(code, message, options);
  }
}
