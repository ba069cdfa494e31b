import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import PQueue from 'p-queue';
import { DhError } from '../../errors.js';
import type { Appetite } from '../../guard/memory-division.js';
import { treeRssBytes } from '../../guard/process-tree.js';
import { MALLOC_ENV, YOUNG_HEAP_FLAG } from '../../malloc-env.js';
import { cannotStart } from '../../rpc/fork-child.js';
import type { Closable, MemoryLoan } from '../../units.js';

/** A program to run, and who is told of it. */
export interface Task {
  id: string;
  /** Arguments of Node: a script and its own; given the memory that it and its children may take, null for any. */
  args: (memoryBytes: number | null) => string[];
  /** What it takes. */
  appetite: Appetite;
  onStart: () => void;
  /** It was ended because its memory is needed elsewhere, and waits to begin anew. */
  onPaused: () => void;
  /** Each JSON object that it prints. */
  onEvent: (event: Record<string, unknown>) => void;
  /** Called once: its exit code (null: it was killed) and the end of what it wrote to stderr. Not after `cancel`. */
  onEnd: (code: number | null, stderr: string) => void;
  /** Whether it has told how it ended: then it is not begun anew. */
  over: () => boolean;
  /** Called instead of `onEnd` when there is no memory for it, or it took more than it may. */
  onRefused: (error: DhError) => void;
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

export interface ChildTaskRunnerOptions {
  concurrency: number;
  maxWaiting: () => number;
  /** Nothing runs before `start`. Default false. */
  waitForStart?: boolean;
  /** Lends a task's memory. Default: as much as it wants. */
  borrow?: (slot: number, appetite: Appetite, signal: AbortSignal) => Promise<MemoryLoan>;
}

interface Entry {
  /** Ends it. */
  stop: AbortController;
  /** Takes it out of the queue; nothing else, as one that runs holds its turn until its process is gone. */
  leave: AbortController;
  child: ChildProcess | null;
  /** Null while it waits. */
  slot: number | null;
  toldBytes: number;
  done: Promise<void>;
}

/** Time between asking a child to end and killing it, in ms. */
const PATIENCE = 1000;
const STDERR_CHARS = 2000;
const MEMORY_INTERVAL = 1000;

/**
 * Runs tasks as child processes of low priority, some at a time; the others wait in line. A task whose memory is wanted
 * back is ended and begins anew when there is memory again: what it has done is not lost, it goes on where it was.
 */
export class ChildTaskRunner implements TaskRunner {
  readonly #queue: PQueue;
  readonly #options: ChildTaskRunnerOptions;
  readonly #tasks = new Map<string, Entry>();
  #closed = false;

  constructor(options: ChildTaskRunnerOptions) {
    this.#queue = new PQueue({ concurrency: options.concurrency, autoStart: options.waitForStart !== true });
    this.#options = options;
  }

  start(): void {
    this.#queue.start();
  }

  submit(task: Task): void {
    if (this.#closed) throw new DhError('shutting_down', 'The server is stopping.');
    if (this.#queue.pending >= this.#queue.concurrency && this.#queue.size >= this.#options.maxWaiting()) {
      throw new DhError('queue_full', `${this.#queue.size} renders wait already.`, { hint: 'Try again later.' });
    }
    const [stop, leave] = [new AbortController(), new AbortController()];
    const entry: Entry = { stop, leave, child: null, slot: null, toldBytes: 0, done: Promise.resolve() };
    entry.done = this.#queue
      .add(() => this.#run(task, entry), { signal: leave.signal })
      .catch(() => undefined) // it left
      .finally(() => this.#tasks.delete(task.id));
    this.#tasks.set(task.id, entry);
  }

  async cancel(id: string): Promise<void> {
    const entry = this.#tasks.get(id);
    if (!entry) return;
    entry.stop.abort();
    if (entry.slot === null) entry.leave.abort();
    await entry.done;
  }

  status(id: string): 'waiting' | 'running' | null {
    const entry = this.#tasks.get(id);
    return entry ? (entry.child ? 'running' : 'waiting') : null;
  }

  processes(): TaskProcess[] {
    return [...this.#tasks.values()].flatMap(({ child, slot, toldBytes }) =>
      child?.pid === undefined || slot === null ? [] : [{ slot, pid: child.pid, toldBytes }],
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#tasks.keys()].map((id) => this.cancel(id)));
  }

  #freeSlot(): number {
    const taken = new Set([...this.#tasks.values()].map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    return slot;
  }

  async #run(task: Task, entry: Entry): Promise<void> {
    const { borrow } = this.#options;
    const { signal } = entry.stop;
    entry.slot = this.#freeSlot();
    try {
      for (let ended = false; !ended;) {
        const loan = (await borrow?.(entry.slot, task.appetite, signal)) ?? null;
        try {
          if (signal.aborted) return;
          ended = await this.#runChild(task, entry, loan);
          if (!ended) task.onPaused();
        } finally {
          loan?.close();
        }
      }
    } catch (error) {
      const refused = DhError.from(error);
      // One that a server which is stopping did not begin is begun by the next one.
      if (!signal.aborted && refused.code !== 'shutting_down') task.onRefused(refused);
    }
  }

  /**
   * False when it was ended because its memory is needed elsewhere. Throws `memory_pressure` when it takes too much,
   * `task_limit` when it cannot be started.
   */
  async #runChild(task: Task, entry: Entry, loan: MemoryLoan | null): Promise<boolean> {
    const args = [YOUNG_HEAP_FLAG, ...task.args(loan?.bytes ?? null)];
    const child = spawn(process.execPath, args, {
      // Over the channel it learns that this process is gone.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...MALLOC_ENV, ...process.env },
    });
    const failure = new Promise<Error>((resolve) => child.on('error', resolve));
    if (child.pid === undefined) throw cannotStart(await failure);
    entry.child = child;
    entry.toldBytes = 0;
    const over = new AbortController();
    const stopped = AbortSignal.any([entry.stop.signal, over.signal, ...(loan ? [loan.recalled] : [])]);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-STDERR_CHARS)));
    let killer: NodeJS.Timeout | undefined;
    const end = (): void => {
      child.kill('SIGTERM');
      killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    };
    if (stopped.aborted) end();
    else stopped.addEventListener('abort', end, { once: true });
    const watch = loan && setInterval(() => void checkMemory(child, entry, loan, over), MEMORY_INTERVAL).unref();
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (stopped.aborted || !line.startsWith('{')) return;
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
      if (!stopped.aborted) task.onEnd(code, stderr);
    } catch (error) {
      if (!stopped.aborted) task.onEnd(null, (error as Error).message);
    } finally {
      clearTimeout(killer);
      if (watch) clearInterval(watch);
      stopped.removeEventListener('abort', end);
      entry.child = null;
    }
    over.signal.throwIfAborted();
    return entry.stop.signal.aborted || task.over() || !loan?.recalled.aborted;
  }
}

/** Ends a task that takes more memory than it has borrowed, all its processes together. */
async function checkMemory(child: ChildProcess, entry: Entry, loan: MemoryLoan, over: AbortController): Promise<void> {
  if (child.pid === undefined || over.signal.aborted) return;
  const rssBytes = Math.max(entry.toldBytes, await treeRssBytes(child.pid));
  if (rssBytes <= loan.bytes || entry.child !== child) return;
  const [mb, limit] = [rssBytes, loan.bytes].map((bytes) => Math.round(bytes / 1e6));
  over.abort(
    new DhError('memory_pressure', `The render took ${mb} MB of memory, and may take ${limit} MB.`, {
      hint: 'Choose a smaller size, or raise memory.maxMemoryMb.',
    }),
  );
}
