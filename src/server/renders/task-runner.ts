import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import PQueue from 'p-queue';
import { DhError } from '../../errors.js';
import type { Closable } from '../../units.js';

/** A program to run, and who is told of it. */
export interface Task {
  id: string;
  /** Arguments of Node: a script and its own. */
  args: string[];
  onStart: () => void;
  /** Each JSON object that it prints. */
  onEvent: (event: Record<string, unknown>) => void;
  /** Called once: its exit code (null: it was killed) and the end of what it wrote to stderr. Not after `cancel`. */
  onEnd: (code: number | null, stderr: string) => void;
}

/** Runs work outside of this process. */
export interface TaskRunner extends Closable {
  /** Throws DhError `queue_full`, `shutting_down`. */
  submit(task: Task): void;
  /** Ends a task, running or waiting; settled when it is gone. */
  cancel(id: string): Promise<void>;
  status(id: string): 'waiting' | 'running' | null;
  /** Those that run. */
  processes(): TaskProcess[];
}

/** A task's process. */
export interface TaskProcess {
  /** No two that run have the same one; later ones get it again, so that there are only a few. */
  slot: number;
  pid: number;
  /** What it last told of the memory of all its processes; 0 before that. */
  toldBytes: number;
}

interface Entry {
  stop: AbortController;
  child: ChildProcess | null;
  slot: number;
  toldBytes: number;
  done: Promise<void>;
}

/** Time between asking a child to end and killing it, in ms. */
const PATIENCE = 1000;
const STDERR_CHARS = 2000;

/** Runs tasks as child processes of low priority, some at a time; the others wait in line. */
export class ChildTaskRunner implements TaskRunner {
  readonly #queue: PQueue;
  readonly #maxWaiting: () => number;
  readonly #tasks = new Map<string, Entry>();
  #closed = false;

  constructor(options: { concurrency: number; maxWaiting: () => number }) {
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.#maxWaiting = options.maxWaiting;
  }

  submit(task: Task): void {
    if (this.#closed) throw new DhError('shutting_down', 'The server is stopping.');
    if (this.#queue.pending >= this.#queue.concurrency && this.#queue.size >= this.#maxWaiting()) {
      throw new DhError('queue_full', `${this.#queue.size} renders wait already.`, { hint: 'Try again later.' });
    }
    const stop = new AbortController();
    const entry: Entry = { stop, child: null, slot: 0, toldBytes: 0, done: Promise.resolve() };
    entry.done = this.#queue
      .add(async () => {
        if (!stop.signal.aborted) await this.#run(task, entry);
      })
      .finally(() => this.#tasks.delete(task.id));
    this.#tasks.set(task.id, entry);
  }

  async cancel(id: string): Promise<void> {
    const entry = this.#tasks.get(id);
    if (!entry) return;
    entry.stop.abort();
    // One that waits is taken out when its turn comes; nobody has to wait for that.
    if (entry.child) await entry.done;
    else this.#tasks.delete(id);
  }

  status(id: string): 'waiting' | 'running' | null {
    const entry = this.#tasks.get(id);
    return entry ? (entry.child ? 'running' : 'waiting') : null;
  }

  processes(): TaskProcess[] {
    return [...this.#tasks.values()].flatMap(({ child, slot, toldBytes }) =>
      child?.pid === undefined ? [] : [{ slot, pid: child.pid, toldBytes }],
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.clear();
    await Promise.all([...this.#tasks.keys()].map((id) => this.cancel(id)));
  }

  #freeSlot(): number {
    const taken = new Set(this.processes().map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    return slot;
  }

  async #run(task: Task, entry: Entry): Promise<void> {
    entry.slot = this.#freeSlot();
    const child = spawn(process.execPath, task.args, { stdio: ['ignore', 'pipe', 'pipe'] });
    entry.child = child;
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-STDERR_CHARS)));
    let killer: NodeJS.Timeout | undefined;
    const end = (): void => {
      child.kill('SIGTERM');
      killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    };
    entry.stop.signal.addEventListener('abort', end, { once: true });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (entry.stop.signal.aborted || !line.startsWith('{')) return;
      try {
        const event = JSON.parse(line) as Record<string, unknown>;
        if (typeof event['rssBytes'] === 'number') entry.toldBytes = event['rssBytes'];
        task.onEvent(event);
      } catch {
        // A line that was cut off by a kill.
      }
    });
    try {
      if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // Gone already, or not allowed.
    }
    task.onStart();
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      if (!entry.stop.signal.aborted) task.onEnd(code, stderr);
    } catch (error) {
      if (!entry.stop.signal.aborted) task.onEnd(null, (error as Error).message);
    } finally {
      clearTimeout(killer);
      entry.stop.signal.removeEventListener('abort', end);
    }
  }
}
