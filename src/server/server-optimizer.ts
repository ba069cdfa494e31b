import type { Logger } from 'pino';
import { loadPreset, presetNames } from '../config/load.js';
import type { Config, SessionProfile } from '../config/schema.js';
import { packageVersion } from '../entry.js';
import { MEMORY_CONSTANTS } from '../guard/memory-constants.js';
import { DhError } from '../errors.js';
import { Optimizer, type StageLoad } from '../guard/optimizer.js';
import type { MemoryHold } from '../guard/memory-loans.js';
import type { ResourceMonitor } from '../guard/resource-monitor.js';
import { selfMeasure, type SelfMeasurement, type SelfMeasurementOptions } from '../guard/self-measurement.js';
import type { WorkerPools } from '../tasks/worker-pools.js';
import type { Closable } from '../units.js';
import type { IdleQualityCap } from './idle-quality-cap.js';
import type { ServerLoans } from './server-loans.js';
import type { SessionRegistry } from './session-registry.js';
import type { StageProcess } from './stage-process.js';

/** A preset that was chosen for the operator, before the server began. */
export interface ChosenPreset {
  preset: string;
  why: string;
  /** From what it was chosen; null when nothing could be measured. */
  measurement: SelfMeasurement | null;
}

export interface ServerOptimizerParts {
  config: () => Config;
  loans: ServerLoans;
  cores: number;
  cacheDir: string;
  chosen: ChosenPreset | null;
  sessions: () => SessionRegistry;
  stages: readonly StageProcess[];
  idleQuality: IdleQualityCap;
  pools: WorkerPools;
  log: Logger;
}

/** The profiles of all shipped presets, by name. */
export function presetProfiles(): Record<string, SessionProfile> {
  return Object.fromEntries(presetNames().map((name) => [name, loadPreset(name).session]));
}

/** What a picture costs on this machine, for every shipped preset. With a `signal`, beside a server that runs. */
export function measurePresets(
  cacheDir: string,
  options: Pick<SelfMeasurementOptions, 'signal' | 'borrow' | 'onProcess'> = {},
): Promise<SelfMeasurement> {
  return selfMeasure({
    cacheDir,
    version: packageVersion(),
    profiles: presetProfiles(),
    background: options.signal !== undefined,
    ...options,
  });
}

/** A pool has a thread for so many cores. */
const CORES_PER_THREAD = 4;

/** The optimizer, joined to the server: it measures, sizes the pools, admits sessions and watches the load. */
export class ServerOptimizer implements Closable {
  readonly optimizer: Optimizer;
  readonly #parts: ServerOptimizerParts;
  readonly #closed = new AbortController();
  #measuring: number | null = null;

  constructor(parts: ServerOptimizerParts) {
    const { config, loans, cores, idleQuality, log } = parts;
    this.#parts = parts;
    this.optimizer = new Optimizer({
      config,
      contract: () => loans.contract,
      loans: () => loans.state(),
      cores,
      profileOf: (preset) => loadPreset(preset).session,
      capIdleQuality: (quality) => idleQuality.set('cpu', quality),
      decided: ({ what, why, figures }) => log.info({ what, why, ...figures }, 'decided'),
      wallClock: Date.now,
    });
    if (parts.chosen) this.optimizer.note(`preset ${parts.chosen.preset}`, parts.chosen.why);
    const { stages, limitMb, division } = loans.contract;
    const figures = {
      stages,
      cores,
      limitMb: Math.floor(limitMb),
      stageLimitMb: Math.floor(division.stageBytes / 1e6),
    };
    const why = config().stages.count > 0 ? 'as configured' : 'cores without one, as many as the memory limit bears';
    this.optimizer.note('number of stages', why, figures);
    this.#sizePools();
  }

  /** Follows the measurements; measures the cost of a picture beside the server that runs already, unless it is known. */
  start(resources: ResourceMonitor): void {
    resources.on('reading', (reading) => this.optimizer.look(reading));
    const known = this.#parts.chosen?.measurement ?? null;
    if (known) {
      this.optimizer.measured(known);
      return;
    }
    measurePresets(this.#parts.cacheDir, {
      signal: this.#closed.signal,
      borrow: () => this.#parts.loans.measure(),
      onProcess: (pid) => (this.#measuring = pid),
    }).then(
      (measurement) => this.optimizer.measured(measurement),
      (error: unknown) => this.#notMeasured(error),
    );
  }

  /** The process that measures, while it does. */
  pids(): { name: string; pids: number[] }[] {
    return [{ name: 'measure', pids: this.#measuring === null ? [] : [this.#measuring] }];
  }

  /**
   * Makes room for one more session where renders have borrowed it; none is lent to them until that is closed. Rejects
   * with `session_limit` when there is no CPU for it.
   */
  async makeRoom(profile: SessionProfile): Promise<MemoryHold> {
    this.optimizer.admitWork();
    const { stages, loans, sessions } = this.#parts;
    return loans.makeRoom((limitBytes) =>
      stages.some((stage) => {
        const load = { sessions: sessions().sizesOn(stage), limitBytes: limitBytes(`stage-${stage.index}`) };
        return this.optimizer.fits(load, profile);
      }),
    );
  }

  /** Throws `session_limit` when no stage should take a session of this profile. */
  admit(profile: SessionProfile): void {
    this.optimizer.admit(
      this.#parts.stages.map((stage) => this.#loadOf(stage)),
      profile,
    );
  }

  /** Whether a stage has memory for one more session. */
  fits(stage: StageProcess, profile: SessionProfile): boolean {
    return this.optimizer.fits(this.#loadOf(stage), profile);
  }

  close(): void {
    this.#closed.abort();
  }

  #loadOf(stage: StageProcess): StageLoad {
    const { sessions, loans } = this.#parts;
    return { sessions: sessions().sizesOn(stage), limitBytes: loans.limitBytes(`stage-${stage.index}`) };
  }

  #notMeasured(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const { code, message, hint } = DhError.from(error);
    if (code === 'memory_pressure') {
      this.optimizer.note('cost of a picture', `not measured, so plans do not judge CPU: ${message} ${hint ?? ''}`);
    } else this.#parts.log.warn({ err: error }, 'the cost of a picture is not known');
  }

  /** The threads follow the cores; those of voices also the memory that control has. */
  #sizePools(): void {
    const { config, cores, pools, loans } = this.#parts;
    const threads = Math.max(1, Math.floor(cores / CORES_PER_THREAD));
    const { controlMb, voicesMb, otherVoicesMb } = MEMORY_CONSTANTS;
    const usableMb = (loans.contract.division.controlBytes / 1e6) * config().memory.softShare;
    // A thread that speaks all languages holds both kinds of voices.
    const each = voicesMb + otherVoicesMb;
    const further = Math.floor(Math.max(0, usableMb - controlMb - each) / each);
    const voices = Math.min(threads, 1 + further);
    pools.resize('voices', voices);
    pools.resize('other', threads);
    this.optimizer.note('worker threads', `one for each ${CORES_PER_THREAD} cores, voices as memory allows`, {
      voices,
      other: threads,
    });
  }
}
