import { Job, Queue, QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Closable } from '../units.js';
import { ATTEMPTS, endRedis, PREFIX, QUEUE, unreachable, type ClipDone, type ClipJob } from './redis-queue.js';

export interface RedisJobsOptions {
  url: string;
  /** Its connection; closed with the jobs. */
  redis: Redis;
  /** How long Redis may give no answer, in ms. */
  awayMs: number;
  /** Clips that may be waited for at a time. */
  most: number;
}

/** A clip that is waited for. */
interface Waiting {
  /** Redis has it. */
  added: boolean;
  done: (clip: ClipDone) => void;
  failed: (error: Error) => void;
  /** Redis does not know it: it began anew, without what it had. */
  lost: () => void;
}

/** How often a clip is put into the queue again until Redis is given up. */
const MOST_LOST = 10;
/** How often Redis is asked in the time for which it may be away. */
const CHECKS = 6;
/** Time that connections get to close properly, in ms. */
const CLOSE_LIMIT = 1000;

/**
 * Clips that are put into the queue and waited for. Events tell when one is done; as Redis may be away for a while or
 * come back without its data, it is asked as well, and clips that it has forgotten are put in again.
 */
export class RedisJobs implements Closable {
  readonly #options: RedisJobsOptions;
  readonly #queue: Queue<ClipJob, ClipDone>;
  readonly #events: QueueEvents;
  readonly #waiting = new Map<string, Waiting>();
  /** Aborted when Redis stays away. */
  readonly #away = new AbortController();
  readonly #watch: NodeJS.Timeout;
  /** Checks since it last answered: no time of day, and a process that was stopped itself has missed none. */
  #silent = 0;
  #asking = false;

  constructor(options: RedisJobsOptions) {
    const { redis, awayMs, most } = options;
    this.#options = options;
    this.#queue = new Queue(QUEUE, { connection: redis, prefix: PREFIX });
    // It takes a connection of its own, made like this one.
    this.#events = new QueueEvents(QUEUE, { connection: redis, prefix: PREFIX });
    for (const each of [this.#queue, this.#events]) each.setMaxListeners(3 * most);
    // Lost connections come back by themselves, or the watch tells.
    this.#queue.on('error', () => undefined);
    this.#events.on('error', () => undefined);
    this.#events.on('completed', ({ jobId, returnvalue }: { jobId: string; returnvalue: ClipDone }) => {
      this.#waiting.get(jobId)?.done(returnvalue);
    });
    this.#events.on('failed', ({ jobId, failedReason }) => this.#waiting.get(jobId)?.failed(new Error(failedReason)));
    this.#watch = setInterval(() => this.#check(), awayMs / CHECKS);
  }

  /** Aborts when Redis stays away; the reason is DhError `server_unreachable`. */
  get away(): AbortSignal {
    return this.#away.signal;
  }

  /** @throws DhError `server_unreachable`. */
  async ready(): Promise<void> {
    await untilAborted(this.#events.waitUntilReady(), this.#away.signal);
  }

  /**
   * Has a clip prepared by whoever takes it. Throws Error with the worker's message; the reason of the signal;
   * DhError `server_unreachable`.
   */
  async run(data: ClipJob, signal: AbortSignal): Promise<ClipDone> {
    const ended = AbortSignal.any([signal, this.#away.signal]);
    for (let lost = 0; lost < MOST_LOST; lost++) {
      const id = `${data.task.key}-${randomUUID()}`;
      // Listened for before it is there: it may be done at once.
      const result = new Promise<ClipDone | null>((resolve, reject) => {
        this.#waiting.set(id, { added: false, done: resolve, failed: reject, lost: () => resolve(null) });
      });
      result.catch(() => undefined);
      try {
        const job = await untilAborted(this.#add(id, data), ended);
        this.#waiting.get(id)!.added = true;
        try {
          const done = await untilAborted(result, ended);
          if (done !== null) return done;
        } finally {
          // What came of it is known here: nobody else asks Redis for it.
          const removed = job.remove().catch(() => undefined);
          if (signal.aborted) await untilAborted(removed, AbortSignal.timeout(500)).catch(() => undefined);
        }
      } finally {
        this.#waiting.delete(id);
      }
    }
    throw unreachable(this.#options.url, 'it forgets the clips that it was given');
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    const closing = Promise.all([this.#events.close(), this.#queue.close()]);
    await Promise.race([closing.catch(() => undefined), sleep(CLOSE_LIMIT, undefined, { ref: false })]);
    endRedis(this.#options.redis);
  }

  #add(id: string, data: ClipJob): Promise<Job<ClipJob, ClipDone>> {
    return this.#queue.add('clip', data, {
      jobId: id,
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: 500 },
      removeOnComplete: { age: 600 },
      removeOnFail: { age: 600 },
    });
  }

  /** A connection that is there and silent is not told by any event. */
  #check(): void {
    if (++this.#silent > CHECKS) {
      this.#away.abort(unreachable(this.#options.url, 'it has not answered for a while'));
      return;
    }
    if (this.#asking) return;
    this.#asking = true;
    this.#ask()
      .catch(() => undefined)
      .finally(() => (this.#asking = false));
  }

  async #ask(): Promise<void> {
    const known = [...this.#waiting].filter(([, { added }]) => added);
    await this.#options.redis.ping();
    this.#silent = 0;
    for (const [id, waiting] of known) {
      const job = await Job.fromId<ClipJob, ClipDone>(this.#queue, id);
      this.#silent = 0;
      if (job === undefined) waiting.lost();
      else if (job.finishedOn === undefined) continue;
      else if (job.failedReason) waiting.failed(new Error(job.failedReason));
      else waiting.done(job.returnvalue);
    }
  }
}

/** The result of work, or the signal's reason as soon as it aborts. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}
