import { readdirSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { packagePath } from '../entry.js';
import { DhError } from '../errors.js';
import { ConfigSchema, PresetSchema, type Config, type Preset } from './schema.js';

type Json = Record<string, unknown>;

/** Where the configuration comes from; later entries win: preset, file, environment, flags. */
export interface ConfigSources {
  preset?: string | undefined;
  file?: string | undefined;
  env?: Record<string, string | undefined>;
  flags?: Json;
}

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
    throw new DhError('preset_not_found', `There is no preset "${name}".`, {
      hint: `Presets are: ${names.join(', ')}.`,
    });
  }
  const path = packagePath(`config/${name}.json`);
  return parse(PresetSchema, readJson(path), `config/${name}.json`);
}

/** Joins all sources to one checked configuration. Throws `config_invalid` or `preset_not_found`. */
export function loadConfig(sources: ConfigSources = {}): Config {
  const env = sources.env ?? {};
  const preset = loadPreset(sources.preset ?? env['DH_LIVE_PRESET'] ?? 'default');
  let merged: Json = { session: { ...preset.session }, memory: { ...preset.memory } };
  if (sources.file !== undefined) merged = merge(merged, readJson(sources.file));
  merged = merge(merged, fromEnvironment(env));
  merged = merge(merged, sources.flags ?? {});
  return parse(ConfigSchema, merged, sources.file ?? 'the configuration');
}

/**
 * The environment variables of the configuration: `DH_LIVE_` and the path in capitals, as in
 * `DH_LIVE_SERVER_PORT=8080` for `server.port`. An unknown name throws `config_invalid`.
 */
export function fromEnvironment(env: Record<string, string | undefined>): Json {
  const fields = new Map(configFields().map((field) => [field.env, field]));
  let out: Json = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('DH_LIVE_') || name === 'DH_LIVE_PRESET' || value === undefined) continue;
    const field = fields.get(name);
    if (!field) {
      throw new DhError('config_invalid', `The environment variable ${name} is not known.`, {
        hint: 'docs/configuration.md lists all names.',
      });
    }
    const nested = field.path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), coerce(value, field.type));
    out = merge(out, nested as Json);
  }
  return out;
}

/** One setting, as documentation and the environment name it. */
export interface ConfigField {
  path: string[];
  env: string;
  type: string;
  default: unknown;
  description: string;
}

interface JsonSchemaNode {
  type?: string;
  properties?: Record<string, JsonSchemaNode>;
  default?: unknown;
  description?: string;
  enum?: unknown[];
}

/** All settings in the order of the schema. */
export function configFields(): ConfigField[] {
  const fields: ConfigField[] = [];
  const walk = (node: JsonSchemaNode, path: string[]): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const here = [...path, key];
      if (child.properties) walk(child, here);
      else {
        fields.push({
          path: here,
          env: `DH_LIVE_${here.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`,
          type: child.enum ? child.enum.map(String).join(' | ') : (child.type ?? 'string'),
          default: child.default,
          description: child.description ?? '',
        });
      }
    }
  };
  walk(z.toJSONSchema(ConfigSchema, { io: 'input' }) as JsonSchemaNode, []);
  return fields;
}

function coerce(value: string, type: string): unknown {
  if (type === 'boolean')
    return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value;
  if (type === 'number' || type === 'integer') return value.trim() === '' ? value : Number(value);
  if (type === 'array') return value.split(',').map((part) => part.trim());
  return value;
}

function merge(base: Json, over: Json): Json {
  const out: Json = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const old = out[key];
    out[key] = isObject(old) && isObject(value) ? merge(old, value) : value;
  }
  return out;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readJson(path: string): Json {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new DhError('config_invalid', `The file ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw new DhError('config_invalid', `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new DhError('config_invalid', `${path} holds no JSON object.`);
}

function parse<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const reasons = result.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
  throw new DhError('config_invalid', `${where}: ${reasons.join('; ')}`, {
    hint: 'docs/configuration.md lists every setting with its type and default.',
  });
}
