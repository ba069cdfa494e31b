import { UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import type { ClipPreparer } from './clip-preparer.js';
import { PreparedClips } from './prepared-clips.js';
import {
  connectRedis,
  endRedis,
  hashFile,
  LOCK_MS,
  MAX_STALLED,
  PREFIX,
  QUEUE,
  workerName,
  type ClipDone,
  type ClipFailure,
  type ClipJob,
} from './redis-queue.js';

export interface RedisWorkerOptions {
  url: string;
  /** Prepares the clips; stays the caller's. */
  preparer: ClipPreparer;
  /** Clips at a time. */
  jobs: number;
  /** Called after each clip. */
  onClip?: (key: string, error: DhError | null) => void;
  /** A worker that is silent for this long is taken for dead, in ms. */
  lockMs?: number;
}

/** How long Redis gets to answer at the end, in ms. */
const CLOSE_LIMIT = 3000;

/** Takes clips from the queue, prepares them into the shared folder, and takes over those of workers that died. */
export class RedisWorker implements Closable {
  readonly #redis: Redis;
  readonly #worker: Worker<ClipJob, ClipDone>;
  readonly #stop = new AbortController();
  readonly #inWork = new Set<Promise<ClipDone>>();

  private constructor(redis: Redis, options: RedisWorkerOptions) {
    const { preparer, jobs, onClip, lockMs = LOCK_MS } = options;
    this.#redis = redis;
    this.#worker = new Worker<ClipJob, ClipDone>(
      QUEUE,
      async ({ data }) => {
        try {
          const work = prepare(data, preparer, this.#stop.signal);
          this.#inWork.add(work);
          const done = await work.finally(() => this.#inWork.delete(work));
          onClip?.(data.task.key, null);
          return done;
        } catch (cause) {
          const error = DhError.from(cause);
          onClip?.(data.task.key, error);
          const message = JSON.stringify({ error: error.toJSON(), worker: workerName() } satisfies ClipFailure);
          throw error.retryable ? new Error(message) : new UnrecoverableError(message);
        }
      },
      {
        connection: redis,
        prefix: PREFIX,
        concurrency: jobs,
        lockDuration: lockMs,
        stalledInterval: lockMs / 2,
        maxStalledCount: MAX_STALLED,
      },
    );
    // Lost connections come back by themselves.
    this.#worker.on('error', () => undefined);
  }

  /** Connects and begins. Throws DhError `server_unreachable`, `config_invalid`. */
  static async open(options: RedisWorkerOptions): Promise<RedisWorker> {
    return new RedisWorker(await connectRedis(options.url), options);
  }

  /** Finishes the clips in work and takes no more. When Redis is away it is told nothing of them. */
  async close(): Promise<void> {
    await this.#close(this.#worker.close(), this.#worked());
  }

  /** Leaves the clips in work to other workers. */
  async abort(): Promise<void> {
    this.#stop.abort(new DhError('shutting_down', 'the worker was stopped'));
    await this.#close(this.#worker.close(true), Promise.resolve());
  }

  async #close(closing: Promise<void>, worked: Promise<void>): Promise<void> {
    const closed = new AbortController();
    const late = worked.then(() => sleep(CLOSE_LIMIT, undefined, { signal: closed.signal }));
    await Promise.race([closing.catch(() => undefined), late.catch(() => undefined)]);
    closed.abort();
    endRedis(this.#redis);
  }

  /** When no clip is in work. */
  async #worked(): Promise<void> {
    while (this.#inWork.size > 0) await Promise.allSettled([...this.#inWork]);
  }
}

async function prepare({ task, folder }: ClipJob, preparer: ClipPreparer, signal: AbortSignal): Promise<ClipDone> {
  await mustSee(folder);
  if (task.source.kind === 'file') await mustSee(task.source.path);
  const store = new PreparedClips(folder);
  const clip = (await store.find(task.key)) ?? (await preparer.prepare(task, folder, signal));
  return { clip, hash: await hashFile(store.pcmPath(clip.key)), worker: workerName() };
}

/** The clip was there where the render runs: when it is not here, the folder is not shared. */
async function mustSee(path: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new DhError('media_unavailable', `the render worker ${workerName()} does not see ${path}`, {
      hint: 'Clips and the temporary folder must be at the same path on every machine.',
      cause,
    });
  }
}
