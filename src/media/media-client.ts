import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import { SAMPLE_RATE, type Clock, type Closable, type MemoryLoan } from '../units.js';
import { missingSound } from './damage.js';
import { JobSlots } from './job-slots.js';
import { ChildLost, ChildRecalled, MediaChild } from './media-child.js';
import { PIECE_SAMPLES, SOUND_FILE_MOST_MB, type Piece } from './media-protocol.js';
import type { SoundInfo } from './sound-file.js';

export interface MediaClientOptions {
  /**
   * Files open at a time, and files that are begun at a time. A file that nobody reads from is closed when another one
   * needs its slot, and opened again when it is read. Default 16.
   */
  maxOpen?: number;
  /** Files that may wait to be begun; more get `queue_full`. Default 16. */
  maxWaiting?: number;
  /**
   * Lends the resident memory for a process, which is killed when it takes more. What it throws is the answer to the
   * call that needs the process. Default: 250 MB, always.
   */
  borrow?: (signal: AbortSignal | undefined) => Promise<MemoryLoan>;
  /** How long the process stays when there is nothing to do. Default 20 s. */
  idleMs?: number;
  clock?: Clock;
}

export interface JobOptions {
  /**
   * Time that the file may cost in all, not counting the time that the caller takes between pieces. Default 30 s, and
   * when decoding a tenth of `maxDurationS` more. A single piece may take 10 s, opening 20 s.
   */
  timeoutMs?: number;
  /** When it aborts, the call fails with its reason. */
  signal?: AbortSignal | undefined;
}

export interface DecodeOptions extends JobOptions {
  /** Longest sound; a file that says it is longer is refused at once, others when they get there. Default 600. */
  maxDurationS?: number;
  /** Longest piece, in samples at 48 kHz, at most 192,000; longer ones cost less. Default 24,000. */
  pieceSamples?: number;
  /**
   * Told what is wrong with a file that can be decoded, at most twice: before the first piece when its header promises
   * more than it holds, where that is easily seen, and with the last piece.
   */
  onDamage?: (what: string) => void;
}

export interface MediaStats {
  pid: number | null;
  rssBytes: number;
  /** Files that were begun and are not finished, open or not. */
  jobs: number;
  /** Files that wait to be begun. */
  waiting: number;
  /** How many processes were started so far. */
  starts: number;
  /** How often the process died or had to be ended while it worked. */
  failures: number;
}

const DEFAULT_TIMEOUT = 30_000;
const DEFAULT_MAX_DURATION_S = 600;
const CLOSE_TIMEOUT = 5_000;
/** While a call hangs, all other files wait: they must not wait for the whole of the time that a long file may take. */
const READ_TIMEOUT = 10_000;
const OPEN_TIMEOUT = 20_000;
/** Sound that was delivered before its process went away is decoded once more: time for a second of it, in ms. */
const SKIP_MS_PER_S = 20;
/** How often a process may go away during calls for a file until the file is given up. */
const MOST_LOSSES = 3;

interface Job {
  id: number;
  path: string;
  maxDurationS: number;
  timeoutMs: number;
  signal: AbortSignal | undefined;
  pieceSamples: number;
  onDamage: ((what: string) => void) | undefined;
  /** The process in which it is open; null: it is not. */
  child: MediaChild | null;
  /** It has a slot until its first piece is there. */
  starting: boolean;
  usedMs: number;
  deliveredSamples: number;
  /** Processes that went away during its calls. */
  losses: number;
}

/**
 * Decodes files that strangers upload, in a process of its own that is started when it is needed. Calls are made one
 * at a time, so that the file whose call goes wrong is known: it fails, the process is replaced, and the other open
 * files go on where they were.
 */
export class MediaClient implements Closable {
  readonly #slots: JobSlots;
  readonly #maxOpen: number;
  readonly #jobs = new Set<Job>();
  readonly #borrow: NonNullable<MediaClientOptions['borrow']>;
  readonly #idleMs: number;
  readonly #clock: Clock;
  readonly #entry = entryPath(import.meta.url, './media-process.js');
  #child: MediaChild | null = null;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastCall: Promise<unknown> = Promise.resolve();
  #nextId = 1;
  #starts = 0;
  #failures = 0;
  /** The last time that no memory could be borrowed. */
  #refused: { error: unknown; atMs: number } | null = null;
  #closed = false;

  constructor(options: MediaClientOptions = {}) {
    this.#maxOpen = options.maxOpen ?? 16;
    this.#slots = new JobSlots(this.#maxOpen, options.maxWaiting ?? 16);
    this.#borrow = options.borrow ?? (() => Promise.resolve(ownMemory()));
    this.#idleMs = options.idleMs ?? 20_000;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /** Process id of the media process; null while there is none. */
  get pid(): number | null {
    return this.#child?.alive === true ? (this.#child.pid ?? null) : null;
  }

  stats(): MediaStats {
    return {
      pid: this.pid,
      rssBytes: this.pid === null ? 0 : (this.#child?.rssBytes ?? 0),
      jobs: this.#jobs.size,
      waiting: this.#slots.waiting,
      starts: this.#starts,
      failures: this.#failures,
    };
  }

  /** Starts the process ahead of need, when there is memory for it. */
  warm(): void {
    const start = async (): Promise<void> => {
      if (this.#closed) return;
      await this.#liveChild(undefined);
      if (this.#jobs.size === 0) this.#waitIdle();
    };
    // Who needs the process is told why there is none.
    this.#inTurn(start).catch(() => undefined);
  }

  /**
   * What is in a file.
   * @throws DhError as `decode`.
   */
  probe(path: string, options: JobOptions = {}): Promise<SoundInfo> {
    return this.#withJob(path, { ...options, maxDurationS: Number.MAX_SAFE_INTEGER }, (job) =>
      this.#call(job, (child) => this.#open(job, child)),
    );
  }

  /**
   * What is in a file whose sound begins without a fault: as `probe`, and its first piece is decoded.
   * @throws DhError as `decode`; `audio_invalid` when there is no sound in it.
   */
  inspect(path: string, options: JobOptions = {}): Promise<SoundInfo> {
    return this.#withJob(path, { ...options, maxDurationS: Number.MAX_SAFE_INTEGER }, async (job) => {
      const info = await this.#call(job, (child) => this.#open(job, child));
      const { samples } = await this.#call(job, (child) => this.#read(job, child));
      if (samples.length === 0) throw new DhError('audio_invalid', 'the file holds no sound');
      return info;
    });
  }

  /**
   * The sound of a file as 48 kHz mono, in pieces that belong to the caller. Nothing is
   * decoded further ahead than the piece that is asked for, and a reader that pauses keeps nobody else waiting.
   * @throws DhError `not_found`, `audio_invalid`, `audio_too_long` (after the sound up to the limit, when the file did
   * not say so), `audio_unsupported` (no sound track, or one of an unknown kind), `queue_full`, `media_unavailable`,
   * `task_crashed` (the process went away three times while it worked on the file), `memory_pressure` (none can be lent
   * for it), `shutting_down`; the reason of the signal.
   */
  async *decode(path: string, options: DecodeOptions = {}): AsyncGenerator<Int16Array, void, undefined> {
    const { maxDurationS = DEFAULT_MAX_DURATION_S } = options;
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT + maxDurationS * 100;
    const job = await this.#begin(path, { ...options, maxDurationS, timeoutMs });
    try {
      for (;;) {
        const { samples, last, damage } = await this.#call(job, (child) => this.#read(job, child));
        if (damage !== null) options.onDamage?.(damage);
        job.deliveredSamples += samples.length;
        this.#leaveSlot(job);
        if (samples.length > 0) yield samples;
        if (last) return;
      }
    } finally {
      this.#finish(job);
    }
  }

  /** Ends the process now when it has nothing to do, instead of after its idle time: for when memory is short. */
  endIdle(): void {
    if (this.#jobs.size > 0) return;
    clearTimeout(this.#idleTimer);
    const child = this.#child;
    this.#child = null;
    void child?.close();
  }

  /** Ends the process; jobs that are open fail with `shutting_down`. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    const child = this.#child;
    this.#child = null;
    await child?.close();
  }

  async #withJob<T>(path: string, options: DecodeOptions, run: (job: Job) => Promise<T>): Promise<T> {
    const job = await this.#begin(path, options);
    try {
      return await run(job);
    } finally {
      this.#finish(job);
    }
  }

  async #begin(path: string, options: DecodeOptions): Promise<Job> {
    this.#checkOpen();
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT;
    await this.#slots.enter(timeoutMs, options.signal);
    clearTimeout(this.#idleTimer);
    const job: Job = {
      id: this.#nextId++,
      path,
      maxDurationS: options.maxDurationS ?? DEFAULT_MAX_DURATION_S,
      timeoutMs,
      signal: options.signal,
      onDamage: options.onDamage,
      child: null,
      starting: true,
      usedMs: 0,
      pieceSamples: options.pieceSamples ?? PIECE_SAMPLES,
      deliveredSamples: 0,
      losses: 0,
    };
    this.#jobs.add(job);
    return job;
  }

  #leaveSlot(job: Job): void {
    if (job.starting) this.#slots.leave();
    job.starting = false;
  }

  #finish(job: Job): void {
    const child = job.child;
    // Nobody waits for it: what is wrong with the process shows in the next call that matters.
    if (child?.alive) this.#inTurn(() => child.call('close', [job.id], CLOSE_TIMEOUT)).catch(() => undefined);
    this.#leaveSlot(job);
    this.#jobs.delete(job);
    if (this.#jobs.size === 0) this.#waitIdle();
  }

  /** Makes calls for a job, in turn; again in a new process when the one it was in went away without blame. */
  async #call<T>(job: Job, run: (child: MediaChild) => Promise<T>): Promise<T> {
    const arrivedAt = this.#clock();
    const work = this.#inTurn(async () => {
      for (;;) {
        job.signal?.throwIfAborted();
        this.#checkOpen();
        // Who waited in line while another one waited for memory in vain does not wait anew.
        if (this.#refused && !this.#child?.alive && arrivedAt <= this.#refused.atMs) throw this.#refused.error;
        const child = await this.#liveChild(job.signal);
        try {
          return await run(child);
        } catch (error) {
          this.#checkOpen();
          if (error instanceof ChildRecalled) continue;
          if (!child.alive) this.#failures += 1;
          if (!(error instanceof ChildLost)) throw error;
          job.losses += 1;
          if (job.losses < MOST_LOSSES) continue;
          if (child.pid === undefined) throw new DhError('media_unavailable', error.message, { cause: error });
          throw new DhError('task_crashed', `${error.message}, ${MOST_LOSSES} times over this file`, {
            hint: 'It may need more memory than this machine has.',
            cause: error,
          });
        }
      }
    });
    return job.signal ? orAbort(work, job.signal) : work;
  }

  /** Closes the open file that costs least to open again, as what was read of it is decoded once more then. */
  async #makeRoom(child: MediaChild): Promise<void> {
    const open = [...this.#jobs].filter((job) => job.child === child);
    if (open.length < this.#maxOpen) return;
    const cheapest = open.reduce((a, b) => (b.deliveredSamples < a.deliveredSamples ? b : a));
    cheapest.child = null;
    await child.call('close', [cheapest.id], CLOSE_TIMEOUT);
  }

  async #open(job: Job, child: MediaChild): Promise<SoundInfo> {
    await this.#makeRoom(child);
    const options = {
      maxDurationS: job.maxDurationS,
      skipSamples: job.deliveredSamples,
      pieceSamples: job.pieceSamples,
    };
    const limit = OPEN_TIMEOUT + (job.deliveredSamples / SAMPLE_RATE) * SKIP_MS_PER_S;
    const info = await this.#timed(job, limit, (left) => child.call('open', [job.id, job.path, options], left));
    job.child = child;
    const { statedS, heldS } = info as SoundInfo;
    const damage = job.deliveredSamples === 0 ? missingSound(statedS, heldS) : null;
    if (damage !== null) job.onDamage?.(damage);
    return info as SoundInfo;
  }

  async #read(job: Job, child: MediaChild): Promise<Piece> {
    if (job.child !== child) await this.#open(job, child);
    return (await this.#timed(job, READ_TIMEOUT, (left) => child.call('read', [job.id], left))) as Piece;
  }

  async #timed<T>(job: Job, mostMs: number, run: (leftMs: number) => Promise<T>): Promise<T> {
    const begin = this.#clock();
    try {
      return await run(Math.max(1, Math.min(mostMs, job.timeoutMs - job.usedMs)));
    } finally {
      job.usedMs += this.#clock() - begin;
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#lastCall.then(run, run);
    this.#lastCall = result.catch(() => undefined);
    return result;
  }

  /** Only called in turn: no two processes are started at a time. */
  async #liveChild(signal: AbortSignal | undefined): Promise<MediaChild> {
    if (this.#child?.alive) return this.#child;
    const loan = await this.#borrow(signal).catch((error: unknown) => {
      if (!signal?.aborted) this.#refused = { error, atMs: this.#clock() };
      throw error;
    });
    this.#refused = null;
    if (this.#closed) {
      loan.close();
      this.#checkOpen();
    }
    this.#starts++;
    try {
      this.#child = new MediaChild(this.#entry, loan);
    } catch (cause) {
      loan.close();
      throw new DhError('media_unavailable', 'The media process could not be started.', { cause });
    }
    return this.#child;
  }

  #waitIdle(): void {
    clearTimeout(this.#idleTimer);
    if (this.#closed) return;
    this.#idleTimer = setTimeout(() => this.endIdle(), this.#idleMs).unref();
  }

  #checkOpen(): void {
    if (this.#closed) throw new DhError('shutting_down', 'the server is shutting down');
  }
}

/** Memory that is lent by nobody and wanted back by nobody. */
function ownMemory(): MemoryLoan {
  return { bytes: SOUND_FILE_MOST_MB * 1e6, recalled: new AbortController().signal, close: () => undefined };
}

/** The work's result, or the signal's reason as soon as it aborts. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
