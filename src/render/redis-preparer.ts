import { setTimeout as sleep } from 'node:timers/promises';
import { DhError } from '../errors.js';
import type { ClipPreparer, PrepareTask } from './clip-preparer.js';
import { PreparedClips, type PreparedClip } from './prepared-clips.js';
import { RedisJobs } from './redis-jobs.js';
import { connectRedis, hashFile, type ClipDone, type ClipFailure } from './redis-queue.js';
import { RedisWorker } from './redis-worker.js';

export interface RedisPreparerOptions {
  url: string;
  /** Works along in this process, so that it goes on without other workers; null: it does not. */
  local: ClipPreparer | null;
  /** Clips at a time in this process. */
  jobs: number;
  /** How long Redis may give no answer while clips are in work, in ms; default 30 s. */
  awayMs?: number;
}

/** Clips that are in the queue at a time: enough for many workers, few enough to be forgotten after a kill. */
const ABREAST = 64;
const AWAY_MS = 30_000;
/** How long a shared folder may take to show what another machine has written: NFS keeps names for seconds. */
const VISIBLE_MS = 10_000;

/** Has clips prepared by any number of `dh-live render-worker` on machines that share the folders. */
export class RedisPreparer implements ClipPreparer {
  readonly abreast = ABREAST;
  readonly #jobs: RedisJobs;
  readonly #worker: RedisWorker | null;
  readonly #local: ClipPreparer | null;

  private constructor(jobs: RedisJobs, worker: RedisWorker | null, local: ClipPreparer | null) {
    this.#jobs = jobs;
    this.#worker = worker;
    this.#local = local;
  }

  /** Connects. Throws DhError `server_unreachable`, `config_invalid`. */
  static async open({ url, local, jobs, awayMs = AWAY_MS }: RedisPreparerOptions): Promise<RedisPreparer> {
    const redis = await connectRedis(url);
    const clips = new RedisJobs({ url, redis, awayMs, most: ABREAST });
    try {
      await clips.ready();
      return new RedisPreparer(clips, local && (await RedisWorker.open({ url, preparer: local, jobs })), local);
    } catch (error) {
      await clips.close();
      throw error;
    }
  }

  /** @throws also DhError `server_unreachable` when Redis stays away, `task_crashed` when workers die over the clip. */
  async prepare(task: PrepareTask, folder: string, signal: AbortSignal): Promise<PreparedClip> {
    const ended = AbortSignal.any([signal, this.#jobs.away]);
    ended.throwIfAborted();
    try {
      const done = await this.#jobs.run({ task, folder }, signal);
      await this.#verify(done, folder, ended);
      return done.clip;
    } catch (error) {
      ended.throwIfAborted();
      throw explain(error as Error);
    }
  }

  rssBytes(): number {
    return this.#local?.rssBytes() ?? 0;
  }

  async close(): Promise<void> {
    await this.#worker?.abort();
    await this.#jobs.close();
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
