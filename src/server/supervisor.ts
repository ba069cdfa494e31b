import type { Config } from '../config/schema.js';
import type { MemoryContract } from '../guard/memory-contract.js';
import type { StageOptions } from '../stage/options.js';
import type { Clock } from '../units.js';
import { findMediaPorts, type MediaPorts } from './media-ports.js';
import { StageProcess } from './stage-process.js';

/** Owns the stage processes of the server and says which one takes the next session. */
export class Supervisor {
  readonly stages: StageProcess[];
  readonly media: MediaPorts;
  readonly #load = new Map<StageProcess, number>();

  private constructor(stages: StageProcess[], media: MediaPorts) {
    this.stages = stages;
    this.media = media;
  }

  /**
   * Finds a UDP port for each stage of the contract; the processes start with `start()`.
   * @param portIsDefault whether nobody set `stages.firstPort`
   * @throws DhError `config_invalid` when the media ports cannot be had
   */
  static async create(
    config: Config,
    contract: MemoryContract,
    clock: Clock,
    portIsDefault: boolean,
  ): Promise<Supervisor> {
    const media = await findMediaPorts(config, contract.stages, portIsDefault);
    const { publicIp } = config.server;
    const stages = media.ports.map(
      (mediaPort, index) =>
        new StageProcess({
          index,
          stage: {
            mediaPort,
            bindAddress: media.address,
            debugTimecode: config.debugTimecode,
            memory: stageMemory(config, contract),
            ...(publicIp ? { publicIp } : {}),
          },
          heartbeatTimeoutMs: config.stages.heartbeatTimeoutMs,
          clock,
        }),
    );
    return new Supervisor(stages, media);
  }

  start(): void {
    for (const stage of this.stages) stage.start();
  }

  /**
   * Passes on what a stage takes from the configuration while it runs, also to those that start later; `limitBytes` says
   * what a stage may use of its part.
   */
  configure(config: Config, contract: MemoryContract, limitBytes: (stage: StageProcess) => number): void {
    const memory = stageMemory(config, contract);
    for (const stage of this.stages) {
      stage.configure({ ...memory, limitBytes: limitBytes(stage) }, config.stages.heartbeatTimeoutMs);
    }
  }

  /** The stage with the fewest sessions, of those that accept work if any does. Give it back with `unassign`. */
  assign(accepts: (stage: StageProcess) => boolean = () => true): StageProcess {
    const accepting = this.stages.filter(accepts);
    const candidates = accepting.length > 0 ? accepting : [...this.stages];
    const [stage] = candidates.sort((a, b) => this.sessionsOf(a) - this.sessionsOf(b));
    if (!stage) throw new RangeError('a supervisor has at least one stage');
    this.#load.set(stage, this.sessionsOf(stage) + 1);
    return stage;
  }

  unassign(stage: StageProcess): void {
    this.#load.set(stage, Math.max(0, this.sessionsOf(stage) - 1));
  }

  sessionsOf(stage: StageProcess): number {
    return this.#load.get(stage) ?? 0;
  }

  /** Ends all stages; says how many frames and chunks were not given back, over those that could still answer. */
  async close(timeoutMs?: number): Promise<{ framesOutstanding: number; chunksOutstanding: number }> {
    const reports = await Promise.all(this.stages.map((stage) => stage.close(timeoutMs)));
    return {
      framesOutstanding: reports.reduce((sum, report) => sum + (report?.framesOutstanding ?? 0), 0),
      chunksOutstanding: reports.reduce((sum, report) => sum + (report?.chunksOutstanding ?? 0), 0),
    };
  }
}

function stageMemory({ memory }: Config, { division }: MemoryContract): StageOptions['memory'] {
  const { maxMemoryMb: _whole, imageCacheMb: _wanted, ...watchdog } = memory;
  return { ...watchdog, limitBytes: division.stageBytes, imageCacheBytes: division.imageCacheBytes };
}
