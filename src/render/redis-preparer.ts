import { Queue, QueueEvents, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DhError } from '../errors.js';
import type { ClipPreparer, PrepareTask } from './clip-preparer.js';
import { PreparedClips, type PreparedClip } from './prepared-clips.js';
import {
  ATTEMPTS,
  connectRedis,
  hashFile,
  PREFIX,
  QUEUE,
  unreachable,
  type ClipDone,
  type ClipFailure,
  type ClipJob,
} from './redis-queue.js';
import { RedisWorker } from './redis-worker.js';

export interface RedisPreparerOptions {
  url: string;
  /** Works along in this process, so that it goes on without other workers; null: it does not. */
  local: ClipPreparer | null;
  /** Clips at a time in this process. */
  jobs: number;
  /** How long Redis may be away while clips are in work, in ms. */
  awayMs?: number;
}

/** Clips that are in the queue at a time: enough for many workers, few enough to be forgotten after a kill. */
const ABREAST = 64;
/** How long a shared folder may take to show what another machine has written: NFS keeps names for seconds. */
const VISIBLE_MS = 10_000;

/** Has clips prepared by any number of `dh-live render-worker` on machines that share the folders. */
export class RedisPreparer implements ClipPreparer {
  readonly abreast = ABREAST;
  readonly #redis: Redis;
  readonly #queue: Queue<ClipJob, ClipDone>;
  readonly #events: QueueEvents;
  readonly #worker: RedisWorker | null;
  readonly #local: ClipPreparer | null;
  /** Aborted when Redis stays away. */
  readonly #away = new AbortController();
  #awayTimer: NodeJS.Timeout | undefined;

  private constructor(redis: Redis, worker: RedisWorker | null, options: RedisPreparerOptions) {
    const { url, local, awayMs = 30_000 } = options;
    this.#redis = redis;
    this.#worker = worker;
    this.#local = local;
    this.#queue = new Queue(QUEUE, { connection: redis, prefix: PREFIX });
    // It takes a connection of its own, made like this one.
    this.#events = new QueueEvents(QUEUE, { connection: redis, prefix: PREFIX });
    for (const each of [this.#queue, this.#events]) each.setMaxListeners(3 * ABREAST);
    // Lost connections come back by themselves, or #away tells.
    this.#queue.on('error', () => undefined);
    this.#events.on('error', () => undefined);
    redis.on('close', () => {
      this.#awayTimer ??= setTimeout(() => this.#away.abort(unreachable(url, 'the connection was lost')), awayMs);
    });
    redis.on('ready', () => {
      clearTimeout(this.#awayTimer);
      this.#awayTimer = undefined;
    });
  }

  /** Connects. Throws DhError `server_unreachable`, `config_invalid`. */
  static async open(options: RedisPreparerOptions): Promise<RedisPreparer> {
    const { url, local, jobs } = options;
    const redis = await connectRedis(url);
    const worker = local && (await RedisWorker.open({ url, preparer: local, jobs }));
    const preparer = new RedisPreparer(redis, worker, options);
    await preparer.#events.waitUntilReady();
    return preparer;
  }

  /** @throws also DhError `server_unreachable` when Redis stays away, `task_crashed` when workers die over the clip. */
  async prepare(task: PrepareTask, folder: string, signal: AbortSignal): Promise<PreparedClip> {
    const ended = AbortSignal.any([signal, this.#away.signal]);
    ended.throwIfAborted();
    const job = await untilAborted(this.#add(task, folder), ended);
    try {
      const done = await untilAborted(job.waitUntilFinished(this.#events), ended);
      await this.#verify(done, folder, ended);
      return done.clip;
    } catch (error) {
      if (signal.aborted) await untilAborted(job.remove(), AbortSignal.timeout(500)).catch(() => undefined);
      ended.throwIfAborted();
      throw explain(error as Error);
    }
  }

  rssBytes(): number {
    return this.#local?.rssBytes() ?? 0;
  }

  async close(): Promise<void> {
    clearTimeout(this.#awayTimer);
    await this.#worker?.abort();
    this.#redis.removeAllListeners('close');
    const closing = Promise.all([this.#events.close(), this.#queue.close()]);
    await Promise.race([closing.catch(() => undefined), sleep(1000, undefined, { ref: false })]);
    this.#redis.disconnect();
  }

  #add(task: PrepareTask, folder: string): Promise<Job<ClipJob, ClipDone>> {
    return this.#queue.add(
      'clip',
      { task, folder },
      {
        jobId: `${task.key}-${randomUUID()}`,
        attempts: ATTEMPTS,
        backoff: { type: 'exponential', delay: 500 },
        removeOnComplete: { age: 600 },
        removeOnFail: { age: 600 },
      },
    );
  }

  /** What is here must be what the worker wrote. */
  async #verify({ clip, hash, worker }: ClipDone, folder: string, signal: AbortSignal): Promise<void> {
    const store = new PreparedClips(folder);
    for (let waited = 0; waited <= VISIBLE_MS; waited += 250) {
      signal.throwIfAborted();
      const found = await store.find(clip.key);
      if (found && (await hashFile(store.pcmPath(clip.key)).catch(() => null)) === hash) return;
      await sleep(250);
    }
    throw new DhError(
      'write_failed',
      `what the render worker ${worker} has written to ${folder} is not to be seen here`,
      {
        hint: 'The temporary folder must be shared and at the same path on every machine.',
      },
    );
  }
}

function explain(error: Error): DhError {
  if (error instanceof DhError) return error;
  try {
    const failure = JSON.parse(error.message) as ClipFailure;
    return DhError.from(failure.error);
  } catch {
    if (!/stalled/.test(error.message)) return DhError.from(error);
    return new DhError('task_crashed', 'render workers die over this clip again and again', {
      hint: 'Their output says why; it may need more memory than they have.',
      cause: error,
    });
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}
