import { createSocket } from 'node:dgram';
import type { Config } from '../config/schema.js';
import type { MemoryContract } from '../guard/memory-contract.js';
import type { StageOptions } from '../stage/options.js';
import type { Clock } from '../units.js';
import { StageProcess } from './stage-process.js';

/** Owns the stage processes of the server and says which one takes the next session. */
export class Supervisor {
  readonly stages: StageProcess[];
  readonly #load = new Map<StageProcess, number>();

  private constructor(stages: StageProcess[]) {
    this.stages = stages;
  }

  /** Finds a UDP port for each stage of the contract; the processes start with `start()`. */
  static async create(config: Config, contract: MemoryContract, clock: Clock): Promise<Supervisor> {
    const { stages: count } = contract;
    const bindAddress = config.server.host === 'localhost' ? '127.0.0.1' : config.server.host;
    const taken = new Set<number>();
    const stages: StageProcess[] = [];
    for (let index = 0; index < count; index++) {
      const wanted = config.stages.firstPort === 0 ? 0 : config.stages.firstPort + index;
      const mediaPort = await freeUdpPort(wanted, bindAddress, taken);
      taken.add(mediaPort);
      const { publicIp } = config.server;
      const memory = stageMemory(config, contract);
      stages.push(
        new StageProcess({
          index,
          stage: {
            mediaPort,
            bindAddress,
            debugTimecode: config.debugTimecode,
            memory,
            ...(publicIp ? { publicIp } : {}),
          },
          heartbeatTimeoutMs: config.stages.heartbeatTimeoutMs,
          clock,
        }),
      );
    }
    return new Supervisor(stages);
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

/** `wanted`, or when it is 0 or in use a free one that the system picks. */
async function freeUdpPort(wanted: number, address: string, taken: Set<number>): Promise<number> {
  for (const port of wanted === 0 || taken.has(wanted) ? [0, 0, 0, 0] : [wanted, 0, 0, 0, 0]) {
    const got = await tryBind(port, address);
    if (got !== null && !taken.has(got)) return got;
  }
  throw new Error(`no free UDP port on ${address}`);
}

function tryBind(port: number, address: string): Promise<number | null> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', () => {
      socket.close();
      resolve(null);
    });
    socket.bind({ port, address, exclusive: true }, () => {
      const bound = socket.address().port;
      socket.close(() => resolve(bound));
    });
  });
}
