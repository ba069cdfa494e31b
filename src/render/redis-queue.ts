import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { hostname } from 'node:os';
import { Redis } from 'ioredis';
import { DhError, type ErrorJson } from '../errors.js';
import type { PrepareTask } from './clip-preparer.js';
import type { PreparedClip } from './prepared-clips.js';

/** Name of the queue of clips to prepare; its keys in Redis begin with `dh-live:`. */
export const QUEUE = 'clips';
export const PREFIX = 'dh-live';
/** A worker that has not been heard of for this long is taken for dead, and its clip goes to another, in ms. */
export const LOCK_MS = 10_000;
/** How often a clip is tried again when workers die over it. */
export const MAX_STALLED = 3;
/** How often it is tried when it fails for a reason that may pass. */
export const ATTEMPTS = 3;

/** Most time between two attempts to connect again, in ms. */
const LONGEST_RETRY = 2000;

const ended = new WeakSet<Redis>();

/** A clip to prepare, and the folder (as every machine sees it). */
export interface ClipJob {
  task: PrepareTask;
  folder: string;
}

/** What a worker has made. */
export interface ClipDone {
  clip: PreparedClip;
  /** SHA-256 of the sound. */
  hash: string;
  worker: string;
}

/** What went wrong at a worker, as the message of a job that failed. */
export interface ClipFailure {
  error: ErrorJson;
  worker: string;
}

/** Who works, in messages. */
export function workerName(): string {
  return `${hostname()}/${process.pid}`;
}

/** Connects to Redis. Throws DhError `server_unreachable` after `timeout` ms, `config_invalid` for a bad address. */
export async function connectRedis(url: string, timeout = 5000): Promise<Redis> {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new DhError('config_invalid', 'REDIS_URL is not an address of Redis.', { hint: 'redis://host:6379' });
  }
  const redis: Redis = new Redis(url, {
    maxRetriesPerRequest: null,
    lazyConnect: true,
    connectTimeout: timeout,
    // Asked by the connections that are made like this one, too: nobody else can end those.
    retryStrategy: (times) => (ended.has(redis) ? null : Math.min(50 * times, LONGEST_RETRY)),
  });
  let reason = 'no answer';
  redis.on('error', (error: Error) => (reason = error.message || (error as NodeJS.ErrnoException).code || reason));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), timeout)));
  const ping = redis
    .connect()
    .then(() => redis.ping())
    .catch((error: Error) => {
      reason = error.message;
      return 'late';
    });
  const answer = await Promise.race([ping, late]);
  clearTimeout(timer);
  if (answer === 'PONG') return redis;
  endRedis(redis);
  throw unreachable(url, reason);
}

/** Ends a connection, and those that were made like it when they are lost. Twice is harmless. */
export function endRedis(redis: Redis): void {
  ended.add(redis);
  redis.disconnect();
}

export function unreachable(url: string, reason: string): DhError {
  return new DhError('server_unreachable', `Redis at ${new URL(url).host} cannot be reached: ${reason}`, {
    hint: 'Start it and give the same command again, or unset REDIS_URL to work on this machine alone.',
  });
}

/** SHA-256 of a file. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}
