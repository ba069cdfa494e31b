import { totalmem } from 'node:os';
import { loadPreset, presetNames } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { choosePreset } from '../guard/capacity.js';
import { effectiveLimitBytes } from '../guard/memory-limit.js';

/** What an operator writes instead of a preset's name. */
export const AUTO_PRESET = 'auto';
/** A server that was not told otherwise leaves the rest of the machine's memory to others. */
const MACHINE_SHARE = 0.8;

/**
 * Chooses the best preset that fits this machine: its cost is measured, for about two seconds the first time. When it
 * cannot be measured, `default` it is.
 */
export async function autoPreset(config: Config, cacheDir: string): Promise<{ preset: string; why: string }> {
  const { measurePresets } = await import('../server/server-optimizer.js');
  const choices = presetNames().map((name) => {
    const { session, memory } = loadPreset(name);
    const limitBytes = Math.min(effectiveLimitBytes(memory.maxMemoryMb), MACHINE_SHARE * totalmem());
    return { name, profile: session, limitBytes, softShare: config.memory.softShare };
  });
  try {
    const { costs } = await measurePresets(cacheDir);
    return choosePreset(choices, costs);
  } catch (error) {
    return { preset: 'default', why: `the machine could not be measured: ${(error as Error).message}` };
  }
}
