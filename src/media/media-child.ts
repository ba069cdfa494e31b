import type { ChildProcess } from 'node:child_process';
import { createBirpc, type BirpcReturn } from 'birpc';
import pidusage from 'pidusage';
import { DhError } from '../errors.js';
import { forkChild } from '../rpc/fork-child.js';
import type { Closable, MemoryLoan } from '../units.js';
import { SOUND_FILE_MOST_MB, type MediaFunctions, type Reply } from './media-protocol.js';

/** The process went away during a call without a limit being the reason: the same call may succeed with a new one. */
export class ChildLost extends Error {
  override readonly name: string = 'ChildLost';
}

/** It was ended because its memory is needed elsewhere: nothing failed. */
export class ChildRecalled extends ChildLost {
  override readonly name = 'ChildRecalled';
}

/** Signals by which a process ends that its own code has driven against the wall. */
const CRASHES = new Set<NodeJS.Signals | null>(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGABRT', 'SIGTRAP']);
const MEMORY_CHECK_MS = 100;

/** One media process, from its start to its end, with its limits on time and memory. */
export class MediaChild implements Closable {
  readonly #process: ChildProcess;
  readonly #rpc: BirpcReturn<MediaFunctions, Record<string, never>>;
  readonly #loan: MemoryLoan;
  readonly #exited: Promise<void>;
  #reason: Error | null = null;
  #rssBytes = 0;

  /**
   * @param entry Path of the compiled `media-process.js`.
   * @param loan Memory that it may take; given back when the process is gone.
   */
  constructor(entry: string, loan: MemoryLoan) {
    this.#loan = loan;
    this.#process = forkChild(entry, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--max-old-space-size=64', '--max-semi-space-size=1'],
      env: childEnvironment(),
    });
    const child = this.#process;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end(
          CRASHES.has(signal)
            ? new DhError('audio_invalid', `the decoder crashed on this file (${String(signal)})`)
            : new ChildLost(`the media process ended (${String(signal ?? code)})`),
        );
        resolve();
      });
      child.on('error', (error) => {
        this.#end(new ChildLost(`the media process could not be started: ${error.message}`));
        if (child.pid === undefined) resolve();
      });
    });
    const onRecall = (): void => this.#kill(new ChildRecalled('the memory of the media process is needed elsewhere'));
    void this.#exited.then(() => {
      loan.recalled.removeEventListener('abort', onRecall);
      loan.close();
    });
    loan.recalled.addEventListener('abort', onRecall, { once: true });
    this.#rpc = createBirpc<MediaFunctions, Record<string, never>>(
      {},
      {
        timeout: -1,
        post: (message) =>
          // Without a callback a closed channel would be an `error` event; the exit is reported anyway.
          child.send(message as object, () => undefined),
        on: (listener) => child.on('message', listener),
        off: (listener) => child.off('message', listener),
      },
    );
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** As it was last seen. */
  get rssBytes(): number {
    return this.#rssBytes;
  }

  get alive(): boolean {
    return this.#reason === null;
  }

  /**
   * Makes one call. When it takes longer than `timeoutMs` or the process grows above its limit, the process is
   * killed, and the call fails with `audio_invalid`; with `memory_pressure` when a sound file may take more than that.
   * @throws DhError; ChildLost when the process went away for another reason.
   */
  async call<K extends keyof MediaFunctions>(
    method: K,
    args: Parameters<MediaFunctions[K]>,
    timeoutMs: number,
  ): Promise<Awaited<ReturnType<MediaFunctions[K]>>['value']> {
    if (this.#reason !== null) throw this.#reason;
    const timer = setTimeout(() => this.#kill(tookTooLong(timeoutMs)), timeoutMs);
    const memory = setInterval(() => void this.#checkMemory(), MEMORY_CHECK_MS);
    let answer: Reply<unknown>;
    try {
      answer = await this.#rpc.$call(method, ...args);
    } catch (error) {
      throw this.#reason ?? error;
    } finally {
      clearTimeout(timer);
      clearInterval(memory);
    }
    this.#note(answer.rssBytes);
    const reason = this.#reason as Error | null;
    if (reason instanceof DhError) throw reason;
    if (answer.error !== undefined) throw DhError.from(answer.error);
    return answer.value as Awaited<ReturnType<MediaFunctions[K]>>['value'];
  }

  /** Kills the process; resolves when it is gone. */
  async close(): Promise<void> {
    this.#kill(new ChildLost('the media process was closed'));
    await this.#exited;
  }

  async #checkMemory(): Promise<void> {
    const pid = this.#process.pid;
    if (pid === undefined || !this.alive) return;
    try {
      this.#note((await pidusage(pid)).memory);
    } catch {
      // The process has just ended; its exit event says so.
    }
  }

  #note(rssBytes: number): void {
    this.#rssBytes = rssBytes;
    if (rssBytes <= this.#loan.bytes) return;
    const limit = Math.round(this.#loan.bytes / 1e6);
    this.#kill(
      this.#loan.bytes < SOUND_FILE_MOST_MB * 1e6
        ? new DhError('memory_pressure', `Decoding took more than the ${limit} MB that were free.`, {
            hint: 'Try again later, or raise memory.maxMemoryMb.',
          })
        : new DhError('audio_invalid', `decoding this file needs more memory than the limit of ${limit} MB`),
    );
  }

  #kill(reason: Error): void {
    this.#end(reason);
    // SIGKILL: a decoder that hangs does not listen to anything less.
    this.#process.kill('SIGKILL');
  }

  #end(reason: Error): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#rpc.$close(reason);
  }
}

function tookTooLong(timeoutMs: number): DhError {
  return new DhError('audio_invalid', `the file was given up after ${Math.round(timeoutMs)} ms of decoding`, {
    hint: 'The file is damaged, or too large for the time limit.',
  });
}

/** Only what a process needs to start: nothing secret is in reach of a decoder that a file has taken over. */
function childEnvironment(): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '2' };
  for (const name of ['PATH', 'LD_LIBRARY_PATH', 'SystemRoot', 'TMPDIR', 'TEMP']) {
    if (process.env[name] !== undefined) kept[name] = process.env[name];
  }
  return kept;
}
