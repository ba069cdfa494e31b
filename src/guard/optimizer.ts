import type { Config, IdleQuality, SessionProfile } from '../config/schema.js';
import { DhError } from '../errors.js';
import { capacityOf, planFor, sessionCores, usableCores, type CapacityInput, type Plan } from './capacity.js';
import type { FrameCosts } from './frame-cost.js';
import { stageItems, sumMb, type PictureSize } from './memory-account.js';
import { fitsStage, type MemoryContract } from './memory-contract.js';
import type { MemoryLoans } from './memory-loans.js';
import type { ServerReading } from './readings.js';
import type { SelfMeasurement } from './self-measurement.js';

/** Something that the server decided by itself. */
export interface Decision {
  /** Milliseconds since 1970. */
  whenMs: number;
  what: string;
  why: string;
  figures: Record<string, number>;
}

/** The sessions of a stage, and the memory that it may use now. */
export interface StageLoad {
  sessions: readonly PictureSize[];
  limitBytes: number;
}

export interface OptimizerOptions {
  config: () => Config;
  contract: () => MemoryContract;
  /** What is lent now. */
  loans: () => ReturnType<MemoryLoans['state']>;
  cores: number;
  /** Profile of a preset; throws `preset_not_found`. */
  profileOf: (preset: string) => SessionProfile;
  /** Sets the highest quality of idle pictures in all stages. */
  capIdleQuality: (quality: IdleQuality) => void;
  /** Told of each decision: for the log. */
  decided: (decision: Decision) => void;
  /** Milliseconds since 1970. */
  wallClock: () => number;
}

/** What is done against too much work, in order. */
const STEPS: readonly { idle: IdleQuality; refuse: boolean; what: string }[] = [
  { idle: 'full', refuse: false, what: 'idle pictures as configured' },
  { idle: 'half', refuse: false, what: 'idle pictures at half their rate' },
  { idle: 'low', refuse: false, what: 'idle pictures at a fifth of their rate' },
  { idle: 'low', refuse: true, what: 'no new sessions' },
];
/** Pressure must last so long for the next step, and be gone so long to take one back, in ms. */
const UP_AFTER = 10_000;
const DOWN_AFTER = 30_000;
/** A stage draws in one thread: from here on, in percent of a core, its pictures come late. */
const STAGE_PERCENT = 90;
/** Share of the limits below which pressure counts as gone. */
const RELEASE = 0.75;
/** The machine's load is this server's matter when it makes at least this share of it. */
const OWN_SHARE = 0.5;
const MOST_DECISIONS = 200;

/**
 * Fits the work to the machine: says what fits, refuses sessions that do not, and under CPU pressure lowers idle pictures
 * before it refuses anything. All that it decides is kept with its reason and figures.
 */
export class Optimizer {
  readonly #options: OptimizerOptions;
  readonly #decisions: Decision[] = [];
  #measurement: SelfMeasurement | null = null;
  #step = 0;
  #overSince: number | null = null;
  #underSince: number | null = null;
  #load = { stagePercent: 0, machinePercent: 0 };

  constructor(options: OptimizerOptions) {
    this.#options = options;
  }

  /** Writes a decision down that was made elsewhere. */
  note(what: string, why: string, figures: Record<string, number> = {}): void {
    const decision = { whenMs: this.#options.wallClock(), what, why, figures };
    this.#decisions.push(decision);
    if (this.#decisions.length > MOST_DECISIONS) this.#decisions.shift();
    this.#options.decided(decision);
  }

  /** Takes in what a picture costs here; from then on plans judge CPU. */
  measured(measurement: SelfMeasurement): void {
    this.#measurement = measurement;
    const figures: Record<string, number> = { tookMs: Math.round(measurement.tookMs) };
    for (const [name, { cost }] of Object.entries(measurement.costs)) figures[`${name}CpuMs`] = round(cost.cpuMs);
    const from = measurement.source === 'cache' ? 'read from the cache of this machine' : 'measured just now';
    this.note('cost of a picture', from, figures);
    const { byCpu, byCpuIdle, byMemory, bySetting } = this.capacity();
    this.note('number of sessions', 'the least of the setting, memory and CPU', {
      bySetting,
      byMemory,
      byCpuSpeaking: byCpu ?? 0,
      byCpuIdle: byCpuIdle ?? 0,
    });
  }

  /** How many sessions of the configured profile there can be. */
  capacity() {
    return capacityOf(this.#options.config().session, this.#input());
  }

  /** Whether `sessions` fit, of a preset or of the configured profile. Throws `preset_not_found`. */
  planFor(sessions: number, preset?: string): Plan {
    const { config, profileOf } = this.#options;
    const profile = preset === undefined || preset === config().preset ? config().session : profileOf(preset);
    return planFor(sessions, preset ?? config().preset, profile, this.#input());
  }

  /** Whether a stage has memory for one more session beside those that it has. */
  fits({ sessions, limitBytes }: StageLoad, further: PictureSize): boolean {
    return fitsStage([...sessions, further], limitBytes, this.#options.config().memory.softShare);
  }

  /** Throws `session_limit`, with the figures, when there is no CPU for another session. */
  admitWork(): void {
    if (!STEPS[this.#step]?.refuse) return;
    const { stagePercent, machinePercent } = this.#load;
    throw new DhError(
      'session_limit',
      `The CPU is used up: the busiest stage works at ${Math.round(stagePercent)} % of a core, the machine at ` +
        `${Math.round(machinePercent)} %.`,
      { hint: 'Try again later; close a session, or choose a smaller preset. dh-live report says more.' },
    );
  }

  /** Throws `session_limit`, with the figures, when a session of this size should not be opened now. */
  admit(stages: readonly StageLoad[], further: PictureSize): void {
    this.admitWork();
    if (stages.some((stage) => this.fits(stage, further))) return;
    const [least] = [...stages].sort((a, b) => a.sessions.length - b.sessions.length);
    if (!least) return;
    const usableMb = (least.limitBytes * this.#options.config().memory.softShare) / 1e6;
    const wouldMb = sumMb(stageItems('stage', [...least.sessions, further], 1));
    const lentMb = (this.#options.contract().division.stageBytes - least.limitBytes) / 1e6;
    const lent = lentMb >= 1 ? ` (${Math.round(lentMb)} MB of it are lent for the moment)` : '';
    throw new DhError(
      'session_limit',
      `There is no memory for another session of ${further.width}×${further.height}: its stage would use ` +
        `${Math.ceil(wouldMb)} MB, and may use ${Math.floor(usableMb)} MB before it trims${lent}.`,
      { hint: 'Close a session, choose a smaller preset, or raise memory.maxMemoryMb.' },
    );
  }

  /** Looks at a measurement of the server, once a second. */
  look({ atMs, processes, machineCpuPercent }: ServerReading): void {
    const { cores, config } = this.#options;
    const stagePercent = Math.max(
      0,
      ...processes.filter(({ name }) => name.startsWith('stage-')).map((p) => p.cpuPercent),
    );
    const ownPercent = processes.reduce((sum, { cpuPercent }) => sum + cpuPercent, 0) / cores;
    const limit = config().monitor.cpuPercent;
    const machinePercent = machineCpuPercent ?? ownPercent;
    this.#load = { stagePercent, machinePercent };
    const ours = ownPercent >= OWN_SHARE * limit;
    const pressure = Math.max(stagePercent / STAGE_PERCENT, ours ? machinePercent / limit : 0);
    this.#overSince = pressure >= 1 ? (this.#overSince ?? atMs) : null;
    this.#underSince = pressure < RELEASE ? (this.#underSince ?? atMs) : null;
    if (this.#overSince !== null && this.#step < STEPS.length - 1 && atMs - this.#overSince >= UP_AFTER) {
      this.#overSince = atMs;
      this.#go(this.#step + 1, `CPU pressure for ${UP_AFTER / 1000} s`);
    } else if (this.#underSince !== null && this.#step > 0 && atMs - this.#underSince >= DOWN_AFTER) {
      this.#underSince = atMs;
      this.#go(this.#step - 1, `no CPU pressure for ${DOWN_AFTER / 1000} s`);
    }
  }

  /** What `GET /report` answers. */
  report() {
    const { config, contract, cores } = this.#options;
    const { preset, session, limits } = config();
    const { width, height, x264Preset } = session;
    const input = this.#input();
    const capacity = this.capacity();
    const costs = this.#measurement?.costs ?? null;
    return {
      preset,
      session: { width, height, x264Preset },
      machine: { cores, stages: input.stages, usableCores: usableCores(input), ...this.#measurement?.machine },
      measurement: this.#measurement && {
        source: this.#measurement.source,
        tookMs: Math.round(this.#measurement.tookMs),
        costs: Object.fromEntries(Object.entries(this.#measurement.costs).map(([name, { cost }]) => [name, cost])),
      },
      contract: contract(),
      loans: this.#options.loans(),
      capacity: {
        ...capacity,
        sessions: Math.min(limits.maxSessions, capacity.byMemory),
        coresPerSession: costs && round(sessionCores(session, costs), 3),
      },
      pressure: { step: STEPS[this.#step]?.what ?? '', ...this.#load },
      decisions: [...this.#decisions],
    };
  }

  #input(): CapacityInput {
    const { config, contract, cores } = this.#options;
    const { stages, limitMb, division, otherVoices } = contract();
    const costs: FrameCosts | null = this.#measurement?.costs ?? null;
    const { limits, memory } = config();
    const { softShare } = memory;
    const { maxSessions } = limits;
    return { cores, stages, limitBytes: limitMb * 1e6, division, softShare, otherVoices, maxSessions, costs };
  }

  #go(step: number, why: string): void {
    const next = STEPS[step];
    if (!next) return;
    this.#step = step;
    this.#options.capIdleQuality(next.idle);
    const { stagePercent, machinePercent } = this.#load;
    this.note(next.what, why, { stagePercent: Math.round(stagePercent), machinePercent: Math.round(machinePercent) });
  }
}

function round(value: number, digits = 2): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
