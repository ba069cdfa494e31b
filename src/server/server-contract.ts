import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema.js';
import { memoryContract, type MemoryContract } from '../guard/memory-contract.js';
import { effectiveLimitBytes } from '../guard/memory-limit.js';

/**
 * The contract of a configuration on this machine; for one with which the server runs, the number of its stages is
 * given. Throws `config_invalid` when the memory limit is under what is needed.
 */
export function contractOf(config: Config, count = config.stages.count): MemoryContract {
  const limitBytes = effectiveLimitBytes(config.memory.maxMemoryMb);
  return memoryContract(
    { ...config, stages: { ...config.stages, count } },
    limitBytes,
    Math.max(1, availableParallelism() - 1),
  );
}
