import { availableParallelism } from 'node:os';
import { loadPreset } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { memoryContract, type MemoryContract } from '../guard/memory-contract.js';
import { effectiveLimitBytes } from '../guard/memory-limit.js';
import { isEspeakVoice } from '../speech/embedded-voices.js';

/**
 * The contract of a configuration on this machine; for one with which the server runs, the number of its stages is
 * given, and whether voices of espeak-ng have spoken. Throws `config_invalid` when the memory limit is under what is
 * needed.
 */
export function contractOf(config: Config, count = config.stages.count, otherVoices = false): MemoryContract {
  const limitBytes = effectiveLimitBytes(config.memory.maxMemoryMb);
  return memoryContract({ ...config, stages: { ...config.stages, count } }, limitBytes, {
    mostStages: Math.max(1, availableParallelism() - 1),
    otherVoices: otherVoices || isEspeakVoice(config.voice),
    smallest: loadPreset('low').session,
  });
}
