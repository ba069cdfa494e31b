import { UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { access } from 'node:fs/promises';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import type { ClipPreparer } from './clip-preparer.js';
import { PreparedClips } from './prepared-clips.js';
import {
  connectRedis,
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

/** Takes clips from the queue, prepares them into the shared folder, and takes over those of workers that died. */
export class RedisWorker implements Closable {
  readonly #redis: Redis;
  readonly #worker: Worker<ClipJob, ClipDone>;
  readonly #stop = new AbortController();

  private constructor(redis: Redis, options: RedisWorkerOptions) {
    const { preparer, jobs, onClip, lockMs = LOCK_MS } = options;
    this.#redis = redis;
    this.#worker = new Worker<ClipJob, ClipDone>(
      QUEUE,
      async ({ data }) => {
        try {
          const done = await prepare(data, preparer, this.#stop.signal);
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

  /** Finishes the clips in work and takes no more. */
  async close(): Promise<void> {
    await this.#worker.close();
    this.#redis.disconnect();
  }

  /** Leaves the clips in work to other workers. */
  async abort(): Promise<void> {
    this.#stop.abort(new DhError('shutting_down', 'the worker was stopped'));
    await this.#worker.close(true);
    this.#redis.disconnect();
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
