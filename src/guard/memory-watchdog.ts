import type { Clock } from '../units.js';
import { LADDER_STEPS, type GuardEvent, type GuardState, type LadderStep, type MemoryLevel } from './guard-state.js';
import type { MemoryRegistry, TrimLevel, TrimReport } from './memory-registry.js';
import { memoryScopes } from './memory-scope.js';

/** Limits of one process and the pace of its ladder; all can be changed at run time. */
export interface WatchdogSettings {
  /** Resident memory that the process may use. */
  limitBytes: number;
  /** Least time between two forced collections. */
  gcIntervalS: number;
  /** Shares of the limit from which a level begins, and below which it ends. */
  softShare: number;
  softRelease: number;
  hardShare: number;
  hardRelease: number;
  /** Least time between two steps. */
  cooldownMs: number;
}

/** What the owner of the process can do beyond emptying caches. A missing action is skipped. */
export interface WatchdogActions {
  lowerIdleQuality?: (on: boolean) => void;
  /** From `true` on the process takes no new work, until `false`. */
  refuse?: (on: boolean) => void;
  /** Ends the session that holds most; its name, or null when there is none. */
  endHeaviest?: () => string | null;
  /** Asks to be replaced by a fresh process. */
  restart?: (reason: string) => void;
}

export interface WatchdogOptions {
  /** Whose memory it is, for events. */
  process: string;
  registry: Pick<MemoryRegistry, 'entries' | 'accountedBytes' | 'trim'>;
  settings: WatchdogSettings;
  actions: WatchdogActions;
  clock: Clock;
  /** Resident memory now, in bytes. */
  rss: () => number;
  /** Collects garbage; without it no collection is forced. */
  gc?: (() => void) | undefined;
  onEvent: (event: GuardEvent) => void;
}

/** Over the limit itself a step is not given the whole cooldown, in ms. */
const OVER_LIMIT_COOLDOWN = 250;
/** A restart that did not come is asked for again after this, in ms. */
const RESTART_PATIENCE = 10_000;
/** A trim that gave back less than this share of the limit was in vain: the next one waits twice as long. */
const WORTHWHILE_SHARE = 0.005;

/** Ending a session that gave back less than this share of the limit was no help. */
const HELPFUL_SHARE = 0.02;

/** The steps after trimming that end nothing, by level. */
const GENTLE = {
  soft: ['lower-idle-quality'],
  hard: ['lower-idle-quality', 'refuse'],
} as const satisfies Record<TrimLevel, readonly LadderStep[]>;

const TAKEN = {
  'lower-idle-quality': 'idle pictures are made cheaper',
  refuse: 'takes no new sessions and viewers',
};
const RELEASED = {
  trim: 'caches may fill again',
  'lower-idle-quality': 'idle pictures as configured',
  refuse: 'takes new sessions and viewers again',
};

/**
 * Keeps a process within its memory limit. `check` compares resident memory with two levels and climbs the ladder:
 *
 * - soft: caches are trimmed, garbage is collected, idle pictures get cheaper;
 * - hard: caches are emptied, new work is refused, the heaviest session is ended, and last the process is replaced. Once
 *   in each hard level garbage is collected although the interval has not passed: when a trim has just let much go, or
 *   else before a session is ended, which is worse than a late picture.
 *
 * The first step of a level comes with the check that finds it, each further one after the cooldown and only if memory
 * is still there. A level holds until its release share, then its steps are undone and armed again. Over the limit
 * itself there is no time: what hurts nobody is done in one check, the rest in quick succession. A process that cannot
 * get below because a fresh one needs as much is not replaced over and over: it refuses work and says so.
 */
export class MemoryWatchdog {
  readonly #options: WatchdogOptions;
  #settings: WatchdogSettings;
  #level: MemoryLevel = 'normal';
  /** Steps in force, with the memory when they were taken. */
  readonly #taken = new Map<LadderStep, number>();
  #trimmedFor: MemoryLevel = 'normal';
  #steppedAt = Number.NEGATIVE_INFINITY;
  #trimmedAt = Number.NEGATIVE_INFINITY;
  #fruitless = 0;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #collections = 0;
  /** One more collection than the interval allows; armed by each hard level. */
  #lastResort = true;
  #warned = false;
  #peakBytes = 0;
  #baseBytes: number;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#baseBytes = this.#measure();
  }

  /** The process is ready and has no work yet: what it uses now is its base. */
  markBase(): void {
    this.#baseBytes = this.#measure() - this.#options.registry.accountedBytes();
  }

  get limitBytes(): number {
    return this.#settings.limitBytes;
  }

  get level(): MemoryLevel {
    return this.#level;
  }

  /** New settings count from the next check on. */
  configure(settings: WatchdogSettings): void {
    this.#settings = settings;
    this.#warned = false;
  }

  /** Measures, and does what has to be done. To be called between two frames, never within one. */
  check(): void {
    const rss = this.#measure();
    const level = this.#levelOf(rss);
    if (level !== this.#level) this.#enter(level, rss);
    if (level !== 'normal' && rss >= this.#triggerBytes(level)) this.#climb(level, rss);
  }

  /** Whether new work is refused now. */
  get refuses(): boolean {
    return this.#taken.has('refuse');
  }

  /** Trims because somebody asks for it, and collects garbage when its time has come. */
  trim(level: TrimLevel): TrimReport {
    const before = this.#measure();
    const { report, detail, tookMs } = this.#empty(level, 'in time');
    this.#tell({ what: 'step', step: 'trim', beforeMb: mb(before), afterMb: mb(this.#measure()), detail, tookMs });
    return report;
  }

  state(): GuardState {
    const rssBytes = this.#measure();
    const entries = this.#options.registry.entries();
    const accountedBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      level: this.#level,
      step: LADDER_STEPS.findLast((step) => this.#taken.has(step)) ?? null,
      rssBytes,
      limitBytes: this.#settings.limitBytes,
      peakBytes: this.#peakBytes,
      baseBytes: this.#baseBytes,
      accountedBytes,
      unaccountedBytes: rssBytes - this.#baseBytes - accountedBytes,
      collections: this.#collections,
      entries,
      scopes: memoryScopes.figures(),
    };
  }

  #measure(): number {
    const rss = this.#options.rss();
    this.#peakBytes = Math.max(this.#peakBytes, rss);
    return rss;
  }

  #levelOf(rss: number): MemoryLevel {
    const { limitBytes, softShare, softRelease, hardShare, hardRelease } = this.#settings;
    const share = rss / limitBytes;
    if (share >= hardShare || (this.#level === 'hard' && share >= hardRelease)) return 'hard';
    if (share >= softShare || (this.#level !== 'normal' && share >= softRelease)) return 'soft';
    return 'normal';
  }

  #triggerBytes(level: TrimLevel): number {
    const { limitBytes, softShare, hardShare } = this.#settings;
    return limitBytes * (level === 'hard' ? hardShare : softShare);
  }

  /** Undoes what the new level has no place for, the last step first. */
  #enter(level: MemoryLevel, rss: number): void {
    const falls = level === 'normal' || (level === 'soft' && this.#level === 'hard');
    this.#level = level;
    if (!falls) return;
    const { lowerIdleQuality, refuse } = this.#options.actions;
    this.#release('refuse', rss, () => refuse?.(false));
    if (level === 'normal') {
      this.#release('lower-idle-quality', rss, () => lowerIdleQuality?.(false));
      this.#release('trim', rss, () => undefined);
    }
    this.#taken.delete('end-heaviest');
    this.#taken.delete('restart');
    this.#trimmedFor = level;
    this.#fruitless = 0;
    this.#lastResort = true;
    this.#warned = false;
  }

  #release(step: keyof typeof RELEASED, rss: number, undo: () => void): void {
    const before = this.#taken.get(step);
    if (before === undefined) return;
    this.#taken.delete(step);
    undo();
    this.#tell({ what: 'release', step, beforeMb: mb(before), afterMb: mb(rss), detail: RELEASED[step], tookMs: 0 });
  }

  #climb(level: TrimLevel, first: number): void {
    const { limitBytes, cooldownMs } = this.#settings;
    let rss = first;
    let acted = false;
    if (this.#trimmedFor !== level) {
      rss = this.#takeTrim(level, rss);
      acted = true;
    } else {
      const cooldown = rss >= limitBytes ? Math.min(cooldownMs, OVER_LIMIT_COOLDOWN) : cooldownMs;
      if (this.#since(this.#steppedAt) < (this.#taken.has('restart') ? RESTART_PATIENCE : cooldown)) return;
    }
    for (const step of GENTLE[level]) {
      if (acted && rss < limitBytes) return;
      if (this.#takeGentle(step, rss)) acted = true;
    }
    if (acted || (level === 'hard' && this.#takeHarsh(rss))) return;
    const pause = Math.min(cooldownMs * 2 ** this.#fruitless, this.#settings.gcIntervalS * 1000);
    if (this.#since(this.#trimmedAt) >= pause) this.#takeTrim(level, rss);
  }

  #since(atMs: number): number {
    return this.#options.clock() - atMs;
  }

  /** Trims and returns the memory that is used then. A repetition that found nothing is no news. */
  #takeTrim(level: TrimLevel, before: number, beforeHarsh = false): number {
    const when = level === 'hard' && this.#lastResort ? (beforeHarsh ? 'now' : 'if worthwhile') : 'in time';
    const { report, detail, tookMs } = this.#empty(level, when);
    const after = this.#measure();
    const worthwhile = this.#worthwhile(report);
    const news = this.#trimmedFor !== level || worthwhile;
    this.#fruitless = worthwhile ? 0 : this.#fruitless + 1;
    this.#trimmedFor = level;
    this.#trimmedAt = this.#steppedAt = this.#options.clock();
    if (!this.#taken.has('trim')) this.#taken.set('trim', before);
    if (news) this.#tell({ what: 'step', step: 'trim', beforeMb: mb(before), afterMb: mb(after), detail, tookMs });
    return after;
  }

  /** False when it is in force already or cannot be done. */
  #takeGentle(step: 'lower-idle-quality' | 'refuse', rss: number): boolean {
    const { lowerIdleQuality, refuse } = this.#options.actions;
    const action = step === 'refuse' ? refuse : lowerIdleQuality;
    if (this.#taken.has(step) || !action) return false;
    this.#take(step, rss, () => {
      action(true);
      return TAKEN[step];
    });
    return true;
  }

  /** Ends a session, or asks for a fresh process; before that everything is tried once more. False: neither can be. */
  #takeHarsh(first: number): boolean {
    const { endHeaviest, restart } = this.#options.actions;
    const { limitBytes } = this.#settings;
    // Another one is only ended when the one before it made a difference.
    const ended = this.#taken.get('end-heaviest');
    const mayEnd = endHeaviest && (ended === undefined || ended - first >= HELPFUL_SHARE * limitBytes);
    const mayRestart = restart && !this.#hopeless;
    if (!mayEnd && !mayRestart) {
      this.#warn(first);
      return false;
    }
    const rss = this.#takeTrim('hard', first, true);
    if (rss < this.#triggerBytes('hard')) return true;
    if (mayEnd) {
      const name = this.#take('end-heaviest', rss, () => {
        const ending = endHeaviest();
        return ending === null ? null : `ends the session that holds most, "${ending}"`;
      });
      if (name !== null || !mayRestart) return true;
    }
    if (!restart || !mayRestart) return true;
    this.#take('restart', rss, () => {
      restart(`${mb(rss)} MB of memory, the limit is ${mb(limitBytes)} MB`);
      return 'asks to be replaced by a fresh process';
    });
    return true;
  }

  /** A fresh process would be at its limit at once. */
  get #hopeless(): boolean {
    return this.#baseBytes >= this.#settings.hardRelease * this.#settings.limitBytes;
  }

  #warn(rss: number): void {
    if (this.#warned) return;
    this.#warned = true;
    const detail = this.#hopeless
      ? `this process needs ${mb(this.#baseBytes)} MB before it has any work: raise memory.maxMemoryMb`
      : 'nothing is left that can be given back: new work is refused until memory is free again';
    this.#tell({ what: 'warning', step: null, beforeMb: mb(rss), afterMb: null, detail, tookMs: 0 });
  }

  #take(step: LadderStep, rss: number, act: () => string | null): string | null {
    const begin = this.#options.clock();
    this.#taken.set(step, rss);
    this.#steppedAt = begin;
    const detail = act();
    const tookMs = this.#since(begin);
    if (detail !== null) this.#tell({ what: 'step', step, beforeMb: mb(rss), afterMb: null, detail, tookMs });
    return detail;
  }

  #worthwhile({ freedBytes }: TrimReport): boolean {
    return freedBytes >= WORTHWHILE_SHARE * this.#settings.limitBytes;
  }

  /**
   * Empties caches, then collects garbage: when its interval has passed, or before that when `when` allows it. `tookMs` is
   * the time of the trim alone.
   */
  #empty(
    level: TrimLevel,
    when: 'in time' | 'if worthwhile' | 'now',
  ): { report: TrimReport; detail: string; tookMs: number } {
    const begin = this.#options.clock();
    const report = this.#options.registry.trim(level);
    const tookMs = this.#since(begin);
    const collectedMs = this.#collect(when === 'now' || (when === 'if worthwhile' && this.#worthwhile(report)));
    const collected = collectedMs === null ? '' : `, collected garbage in ${collectedMs.toFixed(1)} ms`;
    const detail = `trimmed ${(report.freedBytes / 1e6).toFixed(1)} MB (${level}) in ${tookMs.toFixed(1)} ms${collected}`;
    return { report, detail, tookMs };
  }

  /** Its time in ms; null when it is not its time. `early` uses up what the hard level allows beyond the interval. */
  #collect(early: boolean): number | null {
    const { gc } = this.#options;
    const due = this.#since(this.#collectedAt) >= this.#settings.gcIntervalS * 1000;
    if (!gc || (!due && !early)) return null;
    if (!due) this.#lastResort = false;
    const begin = (this.#collectedAt = this.#options.clock());
    gc();
    this.#collections += 1;
    return this.#since(begin);
  }

  #tell(event: Omit<GuardEvent, 'process' | 'level' | 'limitMb'>): void {
    const { process, onEvent } = this.#options;
    const tookMs = Math.round(event.tookMs * 100) / 100;
    onEvent({ process, level: this.#level, limitMb: mb(this.#settings.limitBytes), ...event, tookMs });
  }
}

/** Megabytes with one decimal. */
function mb(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
