import type { ChildProcess } from 'node:child_process';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import { YOUNG_HEAP_FLAG } from '../malloc-env.js';
import { forkChild } from '../rpc/fork-child.js';
import type { Closable } from '../units.js';
import { hiddenPath } from './video-file.js';
import type { PartJob } from './part-job.js';
import type { PartReply } from './part-process.js';
import { rm } from 'node:fs/promises';

interface Worker {
  process: ChildProcess;
  rssBytes: number;
  busy: boolean;
}

/** Makes parts in processes of their own, which are started when they are needed; the caller bounds how many at a time. */
export class PartWorkers implements Closable {
  readonly #workers = new Set<Worker>();

  /** Memory of all of them together, as they last said. */
  rssBytes(): number {
    let sum = 0;
    for (const { rssBytes } of this.#workers) sum += rssBytes;
    return sum;
  }

  /** As `renderPart`. When it is aborted the process is ended. */
  async render(job: PartJob, signal: AbortSignal, onProgress: (samples: number) => void): Promise<number> {
    signal.throwIfAborted();
    const worker = [...this.#workers].find(({ busy }) => !busy) ?? this.#start();
    worker.busy = true;
    const child = worker.process;
    try {
      return await new Promise<number>((resolve, reject) => {
        const abort = (): void => reject(signal.reason as Error);
        const lost = (): void => reject(new DhError('task_crashed', 'A process that makes parts ended unexpectedly.'));
        const receive = (reply: PartReply): void => {
          if (reply.kind === 'progress') {
            worker.rssBytes = reply.rssBytes;
            onProgress(reply.samples);
            return;
          }
          signal.removeEventListener('abort', abort);
          child.off('exit', lost).off('error', lost).off('message', receive);
          if (reply.kind === 'done') resolve(reply.bytes);
          else reject(DhError.from(reply.error));
        };
        signal.addEventListener('abort', abort, { once: true });
        child.on('message', receive);
        child.once('exit', lost).once('error', lost);
        child.send(job, (error) => {
          if (error) lost();
        });
      });
    } catch (error) {
      await this.#end(worker);
      await rm(hiddenPath(job.path, child.pid), { force: true });
      throw error;
    } finally {
      worker.busy = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => this.#end(worker)));
  }

  #start(): Worker {
    const child = forkChild(entryPath(import.meta.url, './part-process.js'), {
      execArgv: [YOUNG_HEAP_FLAG],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, MALLOC_ARENA_MAX: '2' },
    });
    const worker: Worker = { process: child, rssBytes: 0, busy: false };
    this.#workers.add(worker);
    // An exit is noticed by whoever waits for it; without a listener this one would end the program.
    child.on('error', () => undefined);
    child.once('exit', () => this.#workers.delete(worker));
    return worker;
  }

  async #end(worker: Worker): Promise<void> {
    const { process: child } = worker;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await gone;
  }
}
