import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { BirpcReturn } from 'birpc';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import type { GuardEvent } from '../guard/guard-state.js';
import { openRpc, type MessagePort } from '../rpc/process-rpc.js';
import type { StageOptions } from '../stage/options.js';
import type { Heartbeat, ShutdownReport, StageApi, StageEvents } from '../stage/protocol.js';
import type { Clock } from '../units.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../malloc-env.js';
import { SilenceWatch } from './run-queue.js';

export interface StageProcessOptions {
  /** Number of the stage, from 0: only for names in logs. */
  index: number;
  stage: StageOptions;
  heartbeatTimeoutMs: number;
  clock: Clock;
}

interface StageProcessEventMap {
  /** A process is ready, the first or a replacement: sessions must be opened in it. */
  up: [];
  /** It died, hung or did not start. A replacement is on its way unless the stage is closed. */
  down: [reason: string];
  heartbeat: [Heartbeat];
  utteranceStarted: [sessionId: string, utteranceId: string, frame: number];
  utterancePlayed: [sessionId: string, utteranceId: string, playedSamples: number];
  utteranceEnded: [sessionId: string, utteranceId: string, playedMs: number];
  viewersChanged: [sessionId: string, count: number];
  warning: [sessionId: string, code: string, message: string];
  sessionEnded: [sessionId: string, code: string, message: string];
  guard: [GuardEvent];
  /** It was silent for longer than it may because it got no CPU, and is heard again. */
  starved: [waitedMs: number];
}

/** A process that takes longer to come up than this is replaced, in ms. */
const START_TIMEOUT = 15_000;
/** Deaths sooner than this after the start make the next start wait, doubling up to `LONGEST_DELAY`, in ms. */
const QUICK_DEATH = 5_000;
const LONGEST_DELAY = 5_000;
/** The same for one that was ended over its memory limit: that takes a while, and must not go round and round. */
const QUICK_OVER_MEMORY = 60_000;
/** Longest that a process which asked to be replaced may take to close, in ms. */
const DRAIN_TIMEOUT = 500;
const WATCH_INTERVAL = 100;
/** From this long without a heartbeat on it is looked at whether the process gets a CPU, in ms. */
const SILENCE = 300;

/** One place for a stage process: forks it, watches its heartbeat, replaces it when it dies or hangs. */
export class StageProcess extends EventEmitter<StageProcessEventMap> {
  readonly index: number;
  readonly #options: StageProcessOptions;
  #child: ChildProcess | null = null;
  #rpc: BirpcReturn<StageApi, StageEvents> | null = null;
  #ready = false;
  /** What the process knows of its memory. */
  #toldMemory: StageOptions['memory'] | null = null;
  #closed = false;
  #lastBeatAt = 0;
  #checkedAt = 0;
  #startedAt = 0;
  #quickDeaths = 0;
  #restarts = 0;
  #killReason: string | null = null;
  #overMemory = false;
  readonly #silence = new SilenceWatch();
  #watch: NodeJS.Timeout | null = null;
  #restart: NodeJS.Timeout | null = null;
  heartbeat: Heartbeat | null = null;

  constructor(options: StageProcessOptions) {
    super();
    this.setMaxListeners(0);
    this.index = options.index;
    this.#options = { ...options, stage: { ...options.stage } };
  }

  get ready(): boolean {
    return this.#ready;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** The calls of the running process. Throws `stage_unavailable` while there is none. */
  get api(): BirpcReturn<StageApi, StageEvents> {
    if (!this.#rpc || !this.#ready) throw unavailable();
    return this.#rpc;
  }

  start(): void {
    if (this.#closed || this.#child) return;
    this.#startedAt = this.#lastBeatAt = this.#checkedAt = this.#options.clock();
    this.#silence.heard();
    this.#killReason = null;
    this.#overMemory = false;
    this.#toldMemory = this.#options.stage.memory;
    const child = fork(entryPath(import.meta.url, '../stage/main.js'), [JSON.stringify(this.#options.stage)], {
      serialization: 'advanced',
      env: { ...MALLOC_ENV, ...process.env },
      execArgv: ['--enable-source-maps', ...HEAP_FLAGS],
    });
    this.#child = child;
    child.once('exit', (code, signal) => this.#gone(child, this.#killReason ?? `exit ${signal ?? code ?? 'unknown'}`));
    child.once('error', (error) => this.#gone(child, error.message));
    this.#rpc = openRpc<StageApi, StageEvents>(child as MessagePort, this.#handlers(child), []);
    this.#watch = setInterval(() => this.#check(), WATCH_INTERVAL);
  }

  /** Sets what may change while it runs; the next process starts with it. */
  configure(memory: StageOptions['memory'], heartbeatTimeoutMs: number): void {
    this.#options.stage.memory = memory;
    this.#options.heartbeatTimeoutMs = heartbeatTimeoutMs;
    // One that is gone gets it when it starts, one that starts when it is ready.
    if (this.#ready) this.#tellMemory();
  }

  #tellMemory(): void {
    const { memory } = this.#options.stage;
    if (isDeepStrictEqual(memory, this.#toldMemory)) return;
    this.#toldMemory = memory;
    this.#rpc?.updateMemory(memory).catch(() => undefined);
  }

  /** Ends the process: asks first, kills after `timeoutMs`. Twice is harmless. */
  async close(timeoutMs = 2_000): Promise<ShutdownReport | null> {
    this.#closed = true;
    if (this.#restart) clearTimeout(this.#restart);
    const child = this.#child;
    if (!child) return null;
    let report: ShutdownReport | null = null;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const killer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    if (this.#ready)
      this.#rpc
        ?.shutdown()
        .then((sent) => (report = sent))
        .catch(() => undefined);
    else child.kill('SIGKILL');
    await gone;
    clearTimeout(killer);
    return report;
  }

  #handlers(child: ChildProcess): StageEvents {
    const current = () => this.#child === child;
    return {
      ready: () => {
        if (!current()) return;
        this.#ready = true;
        this.#lastBeatAt = this.#options.clock();
        this.#tellMemory();
        this.emit('up');
      },
      failed: (reason) => void (current() && (this.#killReason ??= reason)),
      heartbeat: (beat) => {
        if (!current()) return;
        const silentMs = this.#options.clock() - this.#lastBeatAt;
        if (silentMs > this.#options.heartbeatTimeoutMs) this.emit('starved', Math.round(this.#silence.waitedMs));
        this.#silence.heard();
        this.#lastBeatAt = this.#options.clock();
        this.heartbeat = beat;
        this.emit('heartbeat', beat);
      },
      utteranceStarted: (...args) => void (current() && this.emit('utteranceStarted', ...args)),
      utterancePlayed: (...args) => void (current() && this.emit('utterancePlayed', ...args)),
      utteranceEnded: (...args) => void (current() && this.emit('utteranceEnded', ...args)),
      viewersChanged: (...args) => void (current() && this.emit('viewersChanged', ...args)),
      warning: (...args) => void (current() && this.emit('warning', ...args)),
      sessionEnded: (...args) => void (current() && this.emit('sessionEnded', ...args)),
      guard: (event) => void (current() && this.emit('guard', { ...event, process: `stage-${this.index}` })),
      overMemory: (rssBytes) => {
        const [used, limit] = [rssBytes, this.#options.stage.memory.limitBytes].map((bytes) => Math.round(bytes / 1e6));
        if (current()) this.#drain(child, `${used} MB of memory, the limit is ${limit} MB`);
      },
    };
  }

  #check(): void {
    const now = this.#options.clock();
    // While this process stood still (stopped, swapped out, no CPU) it heard no heartbeat: that is not the stage's silence.
    const stoodMs = now - this.#checkedAt - 2 * WATCH_INTERVAL;
    if (stoodMs > 0) this.#lastBeatAt += stoodMs;
    this.#checkedAt = now;
    const limit = this.#ready ? this.#options.heartbeatTimeoutMs : START_TIMEOUT;
    const silentMs = now - this.#lastBeatAt;
    if (this.#killReason !== null || silentMs <= SILENCE) return;
    if (!this.#silence.check(this.#child?.pid, silentMs, limit)) return;
    this.#kill(this.#ready ? `no heartbeat for ${limit} ms` : `not ready after ${limit} ms`);
  }

  /**
   * Lets a process that still listens close its viewers' connections, so that they come back at once; then ends it.
   * From now on it takes no calls: what is said goes on in the next one.
   */
  #drain(child: ChildProcess, reason: string): void {
    if (this.#killReason !== null) return;
    this.#killReason = reason;
    this.#overMemory = true;
    this.#ready = false;
    this.#rpc?.shutdown().catch(() => undefined);
    const killer = setTimeout(() => child.kill('SIGKILL'), DRAIN_TIMEOUT);
    child.once('exit', () => clearTimeout(killer));
  }

  #kill(reason: string): void {
    this.#killReason = reason;
    this.#child?.kill('SIGKILL');
  }

  #gone(child: ChildProcess, reason: string): void {
    if (this.#child !== child) return;
    if (this.#watch) clearInterval(this.#watch);
    this.#rpc?.$close(unavailable());
    this.#child = this.#rpc = this.heartbeat = null;
    this.#ready = false;
    if (this.#closed) return;
    const quick = this.#options.clock() - this.#startedAt < (this.#overMemory ? QUICK_OVER_MEMORY : QUICK_DEATH);
    this.#quickDeaths = quick ? this.#quickDeaths + 1 : 0;
    this.#restarts += 1;
    // The first replacement starts at once; only a stage that keeps dying young waits.
    const delay = this.#quickDeaths < 2 ? 0 : Math.min(LONGEST_DELAY, 250 * 2 ** (this.#quickDeaths - 2));
    this.#restart = setTimeout(() => this.start(), delay);
    this.emit('down', reason);
  }
}

function unavailable(): DhError {
  return new DhError('stage_unavailable', 'The stage process of this session is being replaced.', {
    hint: 'Try again in a second.',
  });
}
