import type { z } from 'zod';
import { DhError } from '../errors.js';
import { nearest } from './did-you-mean.js';
import { configFields } from './fields.js';
import type { JsonFile } from './read-file.js';
import { ConfigSchema, type Config, type Preset } from './schema.js';
import { getAt, merge, type Json } from './tree.js';
import { safeParse } from './safe-parse.js';

/** Mistakes that an error names at most, and characters of a setting's name in it. */
const MOST_REASONS = 5;
const MOST_NAME = 100;

/** Where a value comes from; later ones win. */
export type SourceName = 'default' | 'preset' | 'file' | 'env' | 'flags' | 'patch';

/** The settings of one source. */
export interface Layer {
  name: SourceName;
  values: Json;
  /** Names the place of a setting in it, for an error; empty when the path alone says it. */
  where(path: readonly (string | number)[]): string;
}

/** A checked configuration, and which source gave each value, by dotted path. */
export interface Resolved {
  config: Config;
  source: Record<string, SourceName>;
}

/** The layer of a file: places are `path:line:column`. */
export function fileLayer({ path, values, placeAt }: JsonFile): Layer {
  return {
    name: 'file',
    values,
    where: (at) => {
      const place = placeAt(at);
      return place ? `${path}:${place.line}:${place.column}` : path;
    },
  };
}

/**
 * The layer of the environment variables: `DH_LIVE_` and the path in capitals, as in `DH_LIVE_SERVER_PORT=8080` for
 * `server.port`. An unknown name throws `config_invalid`.
 */
export function envLayer(env: Record<string, string | undefined>): Layer {
  const fields = new Map(configFields().map((field) => [field.env, field]));
  const names = new Map(configFields().map((field) => [field.path.join('.'), field.env]));
  let values: Json = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('DH_LIVE_') || value === undefined) continue;
    const field = fields.get(name);
    if (!field) {
      const near = nearest(name, [...fields.keys()]);
      throw new DhError('config_invalid', `The environment variable ${name} is not known.`, {
        hint: near ? `Did you mean ${near}?` : 'docs/configuration.md lists all names.',
      });
    }
    const nested = field.path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), coerce(value, field.type));
    values = merge(values, nested as Json);
  }
  return { name: 'env', values, where: (path) => names.get(path.join('.')) ?? 'the environment' };
}

/**
 * Joins layers, the first being the weakest, on top of a preset. The preset is the one that the strongest layer names.
 *
 * @throws DhError `config_invalid` with the place and the reason; `preset_not_found`.
 */
export function resolveLayers(layers: readonly Layer[], loadPreset: (name: string) => Preset): Resolved {
  const { session, memory } = presetOf(layers, loadPreset);
  const all: Layer[] = [{ name: 'preset', values: { session, memory }, where: () => 'the preset' }, ...layers];
  const merged = all.reduce<Json>((values, layer) => merge(values, layer.values), {});
  const result = safeParse(ConfigSchema, merged);
  if (!result.success) {
    const reasons = result.error.issues.flatMap((issue) => explain(issue, all)).slice(0, MOST_REASONS);
    throw new DhError('config_invalid', reasons.join('; '), {
      hint: 'docs/configuration.md lists every setting with its type and default.',
    });
  }
  const source: Resolved['source'] = {};
  for (const { path } of configFields()) source[path.join('.')] = strongest(all, path)?.name ?? 'default';
  return { config: result.data, source };
}

function presetOf(layers: readonly Layer[], loadPreset: (name: string) => Preset): Preset {
  const layer = strongest(layers, ['preset']);
  const name = layer?.values['preset'] ?? 'default';
  if (typeof name !== 'string') throw new DhError('config_invalid', `${place(layer, ['preset'])}must be a name.`);
  try {
    return loadPreset(name);
  } catch (error) {
    const { code, message, hint } = DhError.from(error);
    throw new DhError(code, `${place(layer, ['preset'])}${message}`, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
}

function strongest(layers: readonly Layer[], path: readonly (string | number)[]): Layer | undefined {
  return layers.findLast(({ values }) => getAt(values, path) !== undefined);
}

function place(layer: Layer | undefined, path: readonly (string | number)[]): string {
  const where = layer?.where(path) ?? '';
  return `${where === '' ? '' : `${where}: `}${path.join('.').slice(0, MOST_NAME) || '(top)'}: `;
}

function explain(issue: z.core.$ZodIssue, layers: readonly Layer[]): string[] {
  const base = issue.path as (string | number)[];
  if (issue.code !== 'unrecognized_keys') return [`${place(strongest(layers, base), base)}${issue.message}`];
  return issue.keys.slice(0, MOST_REASONS).map((key) => {
    const path = [...base, key];
    const meant = suggestion(base, key);
    return `${place(strongest(layers, path), path)}there is no such setting${meant ? `, did you mean ${meant}?` : ''}`;
  });
}

/** A setting or group near the unknown key: in the same group, otherwise one of the same name elsewhere. */
function suggestion(base: readonly (string | number)[], key: string): string | undefined {
  const depth = base.length;
  const inGroup = configFields().filter(({ path }) => base.every((part, i) => path[i] === part));
  const near = nearest(key, [...new Set(inGroup.map(({ path }) => path[depth] ?? ''))]);
  if (near !== undefined) return `"${[...base, near].join('.')}"`;
  const elsewhere = nearest(key, [...new Set(configFields().map(({ path }) => path.at(-1) ?? ''))]);
  const field = configFields().find(({ path }) => path.at(-1) === elsewhere);
  return field && `"${field.path.join('.')}"`;
}

function coerce(value: string, type: string): unknown {
  if (type === 'boolean')
    return value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value;
  if (type === 'number' || type === 'integer') return value.trim() === '' ? value : Number(value);
  if (type === 'array') return value.split(',').map((part) => part.trim());
  return value;
}
