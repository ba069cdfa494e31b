import { totalmem } from 'node:os';
import { presetNames } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { choosePreset } from '../guard/capacity.js';
import { effectiveLimitBytes } from '../guard/memory-limit.js';
import type { ChosenPreset } from '../server/server-optimizer.js';

/** A server that was not told otherwise leaves the rest of the machine's memory to others. */
const MACHINE_SHARE = 0.8;

/**
 * Chooses the best preset that fits this machine: its cost is measured, for about two seconds the first time. When it
 * cannot be measured, `default` it is.
 *
 * @param configOf the configuration as it would be with a preset: what the operator has set counts with each of them.
 * @throws what `configOf` throws.
 */
export async function autoPreset(configOf: (preset: string) => Config, cacheDir: string): Promise<ChosenPreset> {
  const choices = presetNames().map((name) => {
    const { session, memory, stages } = configOf(name);
    const limitBytes = Math.min(effectiveLimitBytes(memory.maxMemoryMb), MACHINE_SHARE * totalmem());
    return { name, profile: session, limitBytes, softShare: memory.softShare, stages: Math.max(1, stages.count) };
  });
  const { measurePresets } = await import('../server/server-optimizer.js');
  try {
    const measurement = await measurePresets(cacheDir);
    return { ...choosePreset(choices, measurement.costs), measurement };
  } catch (error) {
    const why = `the machine could not be measured: ${(error as Error).message}`;
    return { preset: 'default', why, measurement: null };
  }
}
