import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pidusage from 'pidusage';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import type { BakeReply, BakeRequest } from './bake-worker.js';
import { BUILT_IN_AVATAR } from './catalogue.js';

export interface BakeServiceOptions {
  /** Folder of the cache on disk. When it cannot be written, baked avatars live in a temporary folder until `close`. */
  cacheDir: string;
  /** Folders with avatar packages. */
  avatarsDirs: readonly string[];
  /** How long the child process waits for more work before it ends, in milliseconds. */
  idleMs?: number;
  /** Resident memory at which the child process is killed; its jobs fail. Default: no limit. */
  memoryLimitBytes?: number;
}

/** How often the memory of the child process is read, in milliseconds. */
const MEMORY_INTERVAL = 500;

type Progress = (done: number, total: number) => void;

interface Job {
  request: BakeRequest;
  listeners: Set<Progress>;
  resolve: (path: string) => void;
  reject: (error: DhError) => void;
}

/**
 * Bakes avatars in a child process, which ends when there is nothing left to do. Requests for the same avatar and size
 * that come while one is under way share it.
 */
export class BakeService implements Closable {
  readonly #options: BakeServiceOptions;
  /** Exists only once something had to be stored there. */
  readonly #spareDir = join(tmpdir(), `dh-live-avatars-${randomUUID()}`);
  readonly #jobs = new Map<number, Job>();
  readonly #shared = new Map<string, { path: Promise<string>; listeners: Set<Progress> }>();
  /** Built-in avatars do not change while the program runs. */
  readonly #known = new Map<string, string>();
  #child: ChildProcess | null = null;
  #idle: NodeJS.Timeout | null = null;
  #nextId = 1;
  #failures = 0;
  #closed = false;

  constructor(options: BakeServiceOptions) {
    this.#options = options;
  }

  /**
   * Path of a file for `loadBaked`. Throws `avatar_not_found`, `avatar_invalid`, `internal` when the child process
   * dies, `memory_pressure` when it grows over its limit, and `shutting_down` after `close`.
   */
  async bake(avatar: string, size: { width: number; height: number }, onProgress?: Progress): Promise<string> {
    if (this.#closed) throw new DhError('shutting_down', 'The server is stopping.');
    const key = `${avatar}\n${size.width}x${size.height}`;
    const known = this.#known.get(key);
    if (known !== undefined && (await exists(known))) return known;
    let shared = this.#shared.get(key);
    if (!shared) {
      const listeners = new Set<Progress>();
      const path = this.#start(avatar, size, listeners).finally(() => this.#shared.delete(key));
      shared = { path, listeners };
      this.#shared.set(key, shared);
    }
    if (onProgress) shared.listeners.add(onProgress);
    const path = await shared.path;
    if (avatar === BUILT_IN_AVATAR) this.#known.set(key, path);
    return path;
  }

  /** Ends the child process; what is under way fails with `shutting_down`. Removes the temporary folder. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#fail(new DhError('shutting_down', 'The server is stopping.'));
    await this.#endChild();
    await rm(this.#spareDir, { recursive: true, force: true });
  }

  #start(avatar: string, size: { width: number; height: number }, listeners: Set<Progress>): Promise<string> {
    const { cacheDir, avatarsDirs } = this.#options;
    const request: BakeRequest = {
      id: this.#nextId++,
      avatar,
      width: size.width,
      height: size.height,
      cacheDir,
      spareDir: this.#spareDir,
      avatarsDirs: [...avatarsDirs],
    };
    return new Promise<string>((resolve, reject) => {
      this.#jobs.set(request.id, { request, listeners, resolve, reject });
      if (this.#idle) clearTimeout(this.#idle);
      this.#idle = null;
      this.#child ??= this.#fork();
      this.#child.send(request, (error) => {
        if (error) this.#settle(request.id, (job) => job.reject(DhError.from(error)));
      });
    });
  }

  #fork(): ChildProcess {
    const child = fork(entryPath(import.meta.url, './bake-worker.js'), {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (reply: BakeReply) => this.#receive(reply));
    const gone = () => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#failures += 1;
      this.#fail(new DhError('internal', 'The process that draws avatars ended unexpectedly.'));
    };
    child.on('error', gone);
    child.on('exit', gone);
    const limit = this.#options.memoryLimitBytes;
    if (limit !== undefined) {
      const watch = setInterval(() => void this.#checkMemory(child, limit), MEMORY_INTERVAL).unref();
      child.once('exit', () => clearInterval(watch));
    }
    return child;
  }

  /** Process id of the child; null while there is none. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** How often the child process died or had to be ended. */
  get failures(): number {
    return this.#failures;
  }

  async #checkMemory(child: ChildProcess, limitBytes: number): Promise<void> {
    if (child.pid === undefined || this.#child !== child) return;
    const rssBytes = await pidusage(child.pid).then(
      ({ memory }) => memory,
      () => 0, // it has just ended
    );
    if (rssBytes <= limitBytes || this.#child !== child) return;
    const limit = Math.round(limitBytes / 1e6);
    const error = new DhError('memory_pressure', `Drawing the avatar takes more than its limit of ${limit} MB.`, {
      hint: 'Raise memory.maxMemoryMb, or draw it ahead of time: dh-live avatar draw.',
    });
    this.#child = null;
    this.#failures += 1;
    child.kill('SIGKILL');
    this.#fail(error);
  }

  #receive(reply: BakeReply): void {
    switch (reply.kind) {
      case 'progress':
        for (const listener of this.#jobs.get(reply.id)?.listeners ?? []) listener(reply.done, reply.total);
        break;
      case 'done':
        this.#settle(reply.id, (job) => job.resolve(reply.path));
        break;
      case 'failed':
        this.#settle(reply.id, (job) => job.reject(DhError.from(reply.error)));
        break;
    }
  }

  #settle(id: number, act: (job: Job) => void): void {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#jobs.delete(id);
    act(job);
    if (this.#jobs.size > 0 || this.#closed) return;
    this.#idle ??= setTimeout(() => {
      this.#idle = null;
      if (this.#jobs.size === 0) void this.#endChild();
    }, this.#options.idleMs ?? 500).unref();
  }

  #fail(error: DhError): void {
    for (const id of [...this.#jobs.keys()]) this.#settle(id, (job) => job.reject(error));
  }

  async #endChild(): Promise<void> {
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = null;
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await ended;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
