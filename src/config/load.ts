import { readdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { packagePath } from '../entry.js';
import { DhError } from '../errors.js';
import { nearest } from './did-you-mean.js';
import { envLayer, fileLayer, resolveLayers, type Layer } from './layers.js';
import { readJsonFile } from './read-file.js';
import { PresetSchema, type Config, type Preset } from './schema.js';
import type { Json } from './tree.js';

/** Where the configuration comes from; later entries win: preset, file, environment, flags. */
export interface ConfigSources {
  /** The preset that a flag names: it wins over that of the environment and of the file. */
  preset?: string | undefined;
  file?: string | undefined;
  env?: Record<string, string | undefined>;
  flags?: Json;
}

/** What an operator writes instead of a preset's name, at the start only: the server chooses one. */
export const AUTO_PRESET = 'auto';

/** The names of the presets that ship in `config/`. */
export function presetNames(): string[] {
  return readdirSync(packagePath('config'))
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name, '.json'))
    .sort();
}

/** Where avatar packages are looked for: the operator's folder, then those that ship. */
export function avatarFolders(config: Config): string[] {
  return [...new Set([resolve(config.avatarsDir), packagePath('avatars')])];
}

/** Reads a shipped preset. Throws `preset_not_found`, or `config_invalid` with the field and the reason. */
export function loadPreset(name: string): Preset {
  const names = presetNames();
  if (!names.includes(name)) {
    const near = nearest(name, names);
    throw new DhError('preset_not_found', `There is no preset "${name.slice(0, 100)}".`, {
      hint:
        `${near ? `Did you mean "${near}"? ` : ''}Presets are: ${names.join(', ')}.` +
        (name === AUTO_PRESET ? ` "${AUTO_PRESET}" is chosen once at the start: --preset auto or DH_LIVE_PRESET.` : ''),
    });
  }
  const { values } = readJsonFile(packagePath(`config/${name}.json`));
  const result = PresetSchema.safeParse(values);
  if (result.success) return result.data;
  const reasons = result.error.issues.map(({ path, message }) => `${path.join('.') || '(top)'}: ${message}`);
  throw new DhError('config_invalid', `config/${name}.json: ${reasons.join('; ')}`);
}

/** The layers of the sources but the file's, weakest first. */
export function fixedLayers({ preset, env = {}, flags = {} }: ConfigSources): Layer[] {
  return [envLayer(env), { name: 'flags', values: { ...flags, preset }, where: () => 'the command line' }];
}

/**
 * Joins all sources to one checked configuration.
 *
 * @throws DhError `config_invalid` with the file's line and column, or the variable, and the reason; `preset_not_found`.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const file = sources.file === undefined ? [] : [fileLayer(readJsonFile(sources.file))];
  return resolveLayers([...file, ...fixedLayers(sources)], loadPreset).config;
}
