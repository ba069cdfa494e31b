import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DhError } from '../errors.js';
import { mb } from './disk-space.js';
import { loadManifest, manifestPath, newManifest, saveManifest, type DonePart, type Manifest } from './manifest.js';
import { PreparedClips, type PreparedClip } from './prepared-clips.js';
import type { RenderSettings } from './render-settings.js';

/** After these nothing is lost: the same command goes on. */
const RESUMABLE = new Set([
  'disk_full',
  'shutting_down',
  'clips_invalid',
  'task_crashed',
  'task_limit',
  'media_unavailable',
  'server_unreachable',
  'not_found',
]);
const HIDDEN = /^\.(part-\d+|full)\.(mp4|webm)\.\d+\.part$|^(index\.json|(part-\d+|full)\.srt)\.\d+\.tmp$/;

/** Where the files of a project are. */
export function projectFolder(tempFolder: string, project: string): string {
  return join(tempFolder, 'video_segments', project);
}

/** Name of the subtitles beside a video. */
export function subtitlesOf(file: string): string {
  return file.replace(/\.[^.]+$/, '.srt');
}

/**
 * What a project has on disk: the manifest of what is done, prepared sound, finished files. Whoever uses it holds the
 * project's lock.
 */
export class ProjectFiles {
  readonly folder: string;
  readonly store: PreparedClips;
  readonly #settings: RenderSettings;
  readonly #note: (message: string) => void;
  #manifest: Manifest;
  #saving: Promise<void> = Promise.resolve();

  /** `note` is told what was removed and what was kept. */
  constructor(settings: RenderSettings, note: (message: string) => void) {
    this.#settings = settings;
    this.#note = note;
    this.folder = projectFolder(settings.tempFolder, settings.project);
    this.store = new PreparedClips(join(this.folder, 'clips'));
    this.#manifest = newManifest(settings.project, settings.outputFolder);
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** The files of another project would be overwritten. */
  async refuseForeignFolder(): Promise<void> {
    const { outputFolder, project } = this.#settings;
    const text = await readFile(join(outputFolder, 'index.json'), 'utf8').catch(() => null);
    const owner = text === null ? undefined : /"project": "([^"]*)"/.exec(text)?.[1];
    if (owner === undefined || owner === project) return;
    throw new DhError('bad_request', `${outputFolder} holds the videos of the project ${owner}.`, {
      hint: `Choose another folder, or go on with that project: --project ${owner}`,
    });
  }

  /** Reads what an earlier run has left. */
  async load(): Promise<void> {
    const { project, outputFolder } = this.#settings;
    this.#manifest = await loadManifest(this.folder, project, outputFolder);
  }

  /** One after the other: parts may be finished at the same time. */
  save(): Promise<void> {
    const { clips: _clips, ...settings } = this.#settings;
    this.#manifest.settings = settings;
    const save = () => saveManifest(this.folder, this.#manifest);
    this.#saving = this.#saving.then(save, save);
    return this.#saving;
  }

  /** Forgets all of it: prepared clips, finished files, manifest. */
  async startOver(): Promise<void> {
    const { clips, bytes } = await this.store.remove();
    for (const { file } of this.finished()) await rm(join(this.#settings.outputFolder, file), { force: true });
    await rm(manifestPath(this.folder), { force: true });
    if (clips > 0) this.#note(`removed ${clips} prepared clips (${mb(bytes)}) of an earlier run`);
    this.#manifest = newManifest(this.#settings.project, this.#settings.outputFolder);
  }

  /** What runs that were killed have left half done. */
  async removeHidden(): Promise<void> {
    const left: [folder: string, names: RegExp][] = [
      [this.#settings.outputFolder, HIDDEN],
      [this.store.folder, /\.tmp$/],
      [this.folder, /^manifest\.json\.\d+\.tmp$/],
    ];
    for (const [folder, names] of left) {
      for (const name of await readdir(folder)) if (names.test(name)) await rm(join(folder, name), { force: true });
    }
  }

  /** Removes finished files that are not among those of the present plan. */
  async removeOldParts(files: readonly string[]): Promise<void> {
    const wanted = new Set(files);
    if (this.#settings.full) wanted.add(this.fullFile());
    const old = this.finished().filter(({ file }) => !wanted.has(file));
    for (const { file } of old) {
      for (const name of [file, subtitlesOf(file)]) {
        await rm(join(this.#settings.outputFolder, name), { force: true });
      }
    }
    this.#manifest.parts = this.#manifest.parts.filter(({ file }) => wanted.has(file));
    if (this.#manifest.full && !wanted.has(this.#manifest.full.file)) this.#manifest.full = null;
    if (old.length > 0)
      this.#note(`removed ${old.length} files of an earlier plan: ${old.map(({ file }) => file).join(', ')}`);
  }

  /** Removes the prepared clips and says so. */
  async clean(when: string): Promise<void> {
    const { clips, bytes } = await this.store.remove();
    if (clips > 0) this.#note(`${when}: removed ${clips} prepared clips (${mb(bytes)}) from ${this.store.folder}`);
  }

  /** Leaves what a next run can go on from, unless there is none. */
  async afterFailure(error: DhError): Promise<void> {
    await this.removeHidden().catch(() => undefined);
    await this.save().catch(() => undefined);
    if (this.#settings.keepTemp) return;
    if (!RESUMABLE.has(error.code)) {
      await this.clean('failed').catch(() => undefined);
      return;
    }
    const kept = (await readdir(this.store.folder).catch(() => [])).filter((name) => name.endsWith('.pcm')).length;
    if (kept > 0)
      this.#note(`kept ${kept} prepared clips in ${this.store.folder}: the same command goes on from there`);
  }

  /** A clip that was prepared, in this run or an earlier one. */
  prepared(key: string): PreparedClip {
    const clip = this.#manifest.clips[key];
    if (clip === undefined) throw new Error(`the clip ${key} was not prepared`);
    return clip;
  }

  /** The finished file of this name, if it was made from the same and is still whole. */
  async donePart(file: string, key: string): Promise<DonePart | null> {
    const part = this.finished().find((each) => each.key === key && each.file === file);
    if (!part) return null;
    const size = (await stat(join(this.#settings.outputFolder, file)).catch(() => null))?.size;
    return size === part.bytes ? part : null;
  }

  /** All finished files that the manifest knows. */
  finished(): DonePart[] {
    const { parts, full } = this.#manifest;
    return full ? [...parts, full] : parts;
  }

  /** Name of the one file of the whole. */
  fullFile(): string {
    return `full.${this.#settings.output.format}`;
  }
}
