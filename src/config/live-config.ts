import { EventEmitter } from 'node:events';
import { DhError } from '../errors.js';
import type { Closable } from '../units.js';
import { configFields, type ConfigField } from './fields.js';
import { FileWatch } from './file-watch.js';
import { fileLayer, resolveLayers, type Layer, type Resolved, type SourceName } from './layers.js';
import { fixedLayers, loadPreset, type ConfigSources } from './load.js';
import { parseJson, readText } from './read-file.js';
import { nearest } from './did-you-mean.js';
import type { Config } from './schema.js';
import { diffConfig, getAt, isObject, leafPaths, mergePatch, withValue, type Json } from './tree.js';
import { replaceFile } from './write-file.js';

/** What asked for a change. */
export type ChangeCause = 'file' | 'signal' | 'patch';

/** What a reload or a patch did. */
export interface ConfigChange {
  cause: ChangeCause;
  /** Dotted paths of the settings that have another value now. */
  changed: string[];
  /** Dotted paths of settings that were given another value, which counts only from the next start on. */
  needsRestart: string[];
  old: Config;
  new: Config;
}

/** What `GET /config` answers. */
export interface ConfigDescription {
  /** The settings in force; secrets are masked. */
  config: Json;
  /** Dotted paths of what can change while the server runs. */
  live: string[];
  /** Of those, what counts for sessions that are opened later. */
  newSessions: string[];
  /** Which source gave each value. */
  source: Record<string, SourceName>;
  /** Settings whose sources say something else than what runs: they wait for a restart. */
  needsRestart: string[];
  file: string | null;
  /** Why the file is not in force as it stands; null when it is. */
  refused: string | null;
}

interface LiveConfigEventMap {
  changed: [ConfigChange];
  refused: [DhError];
}

/** What stands for a secret in `describe`, and is refused in a patch. */
export const MASK = '***';

/**
 * The configuration of a running server. Sources keep their order: preset, file, environment, flags, patches. What is
 * wrong is refused as a whole and the old configuration goes on; of what is right, the settings that need a restart stay
 * as they are. Readers ask for `current` whenever they use a value.
 */
export class LiveConfig extends EventEmitter<LiveConfigEventMap> implements Closable {
  readonly #path: string | undefined;
  readonly #outer: readonly Layer[];
  readonly #checks: ((config: Config) => void)[] = [];
  #file: Layer | null = null;
  #text: string | null = null;
  #patch: Json = {};
  #running: Config;
  #wanted: Resolved;
  #refused: string | null = null;
  #watch: FileWatch | null = null;

  /** Throws `config_invalid` or `preset_not_found`, as `loadConfig`. */
  constructor(sources: ConfigSources = {}) {
    super();
    this.#path = sources.file;
    this.#outer = fixedLayers(sources);
    if (sources.file !== undefined) {
      this.#text = readText(sources.file);
      this.#file = fileLayer({ path: sources.file, text: this.#text, ...parseJson(sources.file, this.#text) });
    }
    this.#wanted = this.#resolve(this.#file, this.#patch);
    this.#running = this.#wanted.config;
  }

  /** What is in force now. Not to be kept: the next change makes a new object. */
  get current(): Config {
    return this.#running;
  }

  /** Adds a check that a new configuration must pass; it throws `config_invalid` to refuse it. */
  addCheck(check: (config: Config) => void): void {
    this.#checks.push(check);
  }

  /** Follows the file, if there is one, until `close`. */
  follow(options: { debounceMs?: number; pollMs?: number } = {}): void {
    if (this.#path === undefined) return;
    this.#watch ??= new FileWatch({ path: this.#path, onChange: () => this.refresh('file'), ...options });
  }

  close(): void {
    this.#watch?.close();
    this.#watch = null;
  }

  /** As `reload`, but what is wrong is told as `refused` instead of thrown; the same mistake in a file is told once. */
  refresh(cause: 'file' | 'signal'): ConfigChange | null {
    const before = this.#refused;
    try {
      return this.reload(cause);
    } catch (error) {
      const refused = DhError.from(error);
      if (cause === 'signal' || refused.message !== before) this.emit('refused', refused);
      return null;
    }
  }

  /** Reads the file again. Throws `config_invalid` or `preset_not_found`, and nothing has changed. */
  reload(cause: 'file' | 'signal' = 'signal'): ConfigChange {
    if (this.#path === undefined) return this.#take(cause, this.#wanted);
    try {
      const text = readText(this.#path);
      if (text === this.#text) {
        this.#refused = null;
        return this.#take(cause, this.#wanted);
      }
      const file = fileLayer({ path: this.#path, text, ...parseJson(this.#path, text) });
      const wanted = this.#resolve(file, this.#patch);
      this.#file = file;
      this.#text = text;
      this.#refused = null;
      return this.#take(cause, wanted);
    } catch (error) {
      this.#refused = DhError.from(error).message;
      throw error;
    }
  }

  /**
   * Changes settings: a JSON merge patch, in which null takes an earlier patch back. It is kept in memory until the server
   * ends; with `persist` it is written to the file as well, and then also takes settings that need a restart.
   *
   * @throws DhError `config_invalid`, `preset_not_found`; `config_fixed` when all of it needs a restart, or when there is no
   * file to write; `disk_full` or `write_failed`. Nothing has changed then.
   */
  patch(body: unknown, { persist = false } = {}): ConfigChange {
    if (!isObject(body)) {
      throw new DhError('config_invalid', 'A change is a JSON object.', { hint: '{"limits": {"maxSessions": 4}}' });
    }
    checkNames(body);
    if (persist) return this.#persist(body);
    const wanted = this.#resolve(this.#file, mergePatch(this.#patch, body));
    const fixed = this.#fixedIn(body, wanted.config);
    const changed = this.#differences(wanted.config).changed;
    if (fixed.length > 0 && changed.length === 0) {
      throw new DhError('config_fixed', `${fixed.join(', ')} cannot change while the server runs.`, {
        hint: 'Change it in the file of --config, or with ?persist=true, and start the server again.',
      });
    }
    // What cannot count now would never count: a patch in memory ends with the server.
    let kept = mergePatch(this.#patch, body);
    for (const path of fixed) kept = withValue(kept, path.split('.'), getAt(this.#patch, path.split('.')));
    const change = this.#take('patch', this.#resolve(this.#file, kept), fixed);
    this.#patch = kept;
    return change;
  }

  describe(): ConfigDescription {
    let config: Json = this.#running;
    for (const { path, secret } of configFields()) {
      const value = getAt(config, path);
      if (secret && value !== undefined) config = withValue(config, path, masked(value));
    }
    const paths = (match: (field: ConfigField) => boolean): string[] =>
      configFields()
        .filter(match)
        .map(({ path }) => path.join('.'));
    return {
      config,
      live: paths(({ applies }) => applies !== 'restart'),
      newSessions: paths(({ applies }) => applies === 'new sessions'),
      source: { ...this.#wanted.source },
      needsRestart: this.#differences(this.#wanted.config).needsRestart,
      file: this.#path ?? null,
      refused: this.#refused,
    };
  }

  #resolve(file: Layer | null, patch: Json): Resolved {
    const patchLayer: Layer = { name: 'patch', values: patch, where: () => '' };
    const resolved = resolveLayers([...(file ? [file] : []), ...this.#outer, patchLayer], loadPreset);
    for (const check of this.#checks) check(resolved.config);
    return resolved;
  }

  #differences(wanted: Config): { changed: string[]; needsRestart: string[] } {
    const changed: string[] = [];
    const needsRestart: string[] = [];
    for (const path of diffConfig(this.#running, wanted)) (FIXED().has(path) ? needsRestart : changed).push(path);
    return { changed, needsRestart };
  }

  /** The settings of a patch that differ from what runs and cannot change. */
  #fixedIn(body: Json, wanted: Config): string[] {
    const named = new Set(leafPaths(body).map((path) => path.join('.')));
    return this.#differences(wanted).needsRestart.filter((path) => named.has(path));
  }

  /** Puts a configuration in force, but for what needs a restart. */
  #take(cause: ChangeCause, wanted: Resolved, alsoNeedsRestart: readonly string[] = []): ConfigChange {
    const old = this.#running;
    const { changed, needsRestart } = this.#differences(wanted.config);
    let next: Json = wanted.config;
    for (const path of needsRestart) next = withValue(next, path.split('.'), getAt(old, path.split('.')));
    this.#wanted = wanted;
    // The same object as long as nothing changed, so that readers can compare.
    if (changed.length > 0) this.#running = next as Config;
    const told = [...new Set([...needsRestart, ...alsoNeedsRestart])].sort();
    const change: ConfigChange = { cause, changed, needsRestart: told, old, new: this.#running };
    if (changed.length > 0 || told.length > 0) this.emit('changed', change);
    return change;
  }

  #persist(body: Json): ConfigChange {
    const path = this.#path;
    if (path === undefined) {
      throw new DhError('config_fixed', 'There is no file to write to.', {
        hint: 'Start the server with --config <file>, or leave persist=true out.',
      });
    }
    const disk = readText(path);
    const values = mergePatch(parseJson(path, disk).values, body);
    const text = `${JSON.stringify(values, null, 2)}\n`;
    const file = fileLayer({ path, text, ...parseJson(path, text) });
    // What the environment or a flag says would hide the file's value: there the patch stays in memory as well.
    let patch = this.#patch;
    for (const at of leafPaths(body)) {
      const hidden = this.#outer.some((layer) => getAt(layer.values, at) !== undefined);
      const value = hidden && !FIXED().has(at.join('.')) ? (getAt(body, at) ?? undefined) : undefined;
      patch = withValue(patch, at, value);
    }
    patch = mergePatch(patch, {});
    const wanted = this.#resolve(file, patch);
    replaceFile(path, text);
    this.#file = file;
    this.#text = text;
    this.#refused = null;
    this.#patch = patch;
    return this.#take('patch', wanted);
  }
}

let fixed: Set<string> | undefined;
const FIXED = (): Set<string> =>
  (fixed ??= new Set(
    configFields()
      .filter(({ applies }) => applies === 'restart')
      .map(({ path }) => path.join('.')),
  ));

/** Null takes a value out before the schema sees it, so names are checked here; and a mask is no secret. */
function checkNames(body: Json): void {
  const fields = new Map(configFields().map((field) => [field.path.join('.'), field]));
  for (const path of leafPaths(body)) {
    const dotted = path.join('.');
    const value = getAt(body, path);
    const field = fields.get(dotted);
    if (field?.secret && JSON.stringify(value).includes(MASK)) {
      throw new DhError('config_invalid', `${dotted}: "${MASK}" only stands for a secret when settings are shown.`, {
        hint: 'Send the whole value, or leave it out.',
      });
    }
    const isGroup = [...fields.keys()].some((name) => name.startsWith(`${dotted}.`));
    if (field || isGroup || value !== null) continue;
    const near = nearest(dotted, [...fields.keys()]);
    throw new DhError(
      'config_invalid',
      `${dotted}: there is no such setting${near ? `, did you mean "${near}"?` : '.'}`,
    );
  }
}

/** A secret's shape without the secret; of an address, whose it is. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'string' || !URL.canParse(value)) return MASK;
  const { protocol, host } = new URL(value);
  return host === '' ? MASK : `${protocol}//${host}/${MASK}`;
}
