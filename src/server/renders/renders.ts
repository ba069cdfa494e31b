import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdir, readdir, readFile, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { RendersConfig } from '../../config/schema.js';
import { entryPath } from '../../entry.js';
import { DhError, type ErrorJson } from '../../errors.js';
import { UploadStore } from '../../media/upload-store.js';
import { writeAtomically } from '../../render/atomic-file.js';
import { ProjectLock } from '../../render/project-lock.js';
import type { RenderProgress } from '../../render/render-events.js';
import type { Closable } from '../../units.js';
import { withoutPaths } from './plain-text.js';
import type { FileSource, RenderRequest } from './render-request.js';
import { newView, progressOf, readView, type RenderState, type RenderView } from './render-view.js';
import type { TaskRunner } from './task-runner.js';

export interface RendersOptions {
  /** Kept over restarts; used by one server at a time. */
  folder: string;
  /** Used instead while another server has that one. */
  otherwise: string;
  config: () => RendersConfig;
  maxUploadBytes: () => number;
  runner: TaskRunner;
  /** Throws `avatar_not_found`. */
  checkAvatar: (name: string) => Promise<void>;
  /** Throws `voice_not_found`, `language_unsupported`. */
  checkVoice: (wanted: { voice?: string | undefined; language?: string | undefined }) => void;
  /** Gets what clients are not told: where files lie, and what a child wrote before it died. */
  log: Pick<Logger, 'warn' | 'debug'>;
  /** Wall clock in ms. */
  now: () => number;
  /** The program that renders; replaced in tests. */
  script?: string;
}

const MAX_NOTES = 100;
const SWEEP_MS = 600_000;

/** Renders over HTTP: their files, their state on the disk, and uploads for them. Emits `event`: id, name, data. */
export class Renders extends EventEmitter<{ event: [id: string, name: string, data: object] }> implements Closable {
  readonly #options: RendersOptions;
  readonly #folder: string;
  readonly #lock: ProjectLock;
  readonly #uploads: UploadStore;
  readonly #views = new Map<string, RenderView>();
  readonly #sweeper: NodeJS.Timeout;
  #writing = Promise.resolve();
  #receivingBytes = 0;

  private constructor(options: RendersOptions, folder: string, lock: ProjectLock) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    this.#folder = folder;
    this.#lock = lock;
    this.#uploads = new UploadStore({ dir: this.#uploadFolder, maxBytes: options.maxUploadBytes });
    this.#sweeper = setInterval(() => void this.sweep().catch(() => undefined), SWEEP_MS).unref();
  }

  /** Lists what an earlier server left, and goes on with what it had not finished. */
  static async open(options: RendersOptions): Promise<Renders> {
    let { folder } = options;
    const lock = await ProjectLock.acquire(join(folder, 'lock'), 'The folder of renders').catch(() => {
      folder = options.otherwise;
      return ProjectLock.acquire(join(folder, 'lock'), 'The folder of renders');
    });
    const renders = new Renders(options, folder, lock);
    await mkdir(renders.#uploadFolder, { recursive: true });
    await renders.#load();
    await renders.sweep();
    return renders;
  }

  list(): RenderView[] {
    return [...this.#views.values()].sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  /** Throws `render_not_found`. */
  get(id: string): RenderView {
    const view = this.#views.get(id);
    if (!view) throw new DhError('render_not_found', `There is no render ${JSON.stringify(id.slice(0, 100))}.`);
    return view;
  }

  /** Takes in a file. Throws `body_too_large`, `disk_full` … */
  async upload(stream: Readable): Promise<{ id: string; bytes: number }> {
    const maxBytes = this.#options.config().maxUploadsMb * 1e6;
    const largest = Math.min(maxBytes, this.#options.maxUploadBytes());
    const room = maxBytes - (await this.#uploadedBytes()) - this.#receivingBytes;
    if (room < 1) {
      throw new DhError('disk_full', 'Uploads for renders take all the space that they may.', {
        hint: 'Render or wait until old ones are removed, or raise renders.maxUploadsMb.',
      });
    }
    const reserved = Math.min(largest, room);
    this.#receivingBytes += reserved;
    try {
      const { path, bytes } = await this.#uploads.receive(stream, { maxBytes: reserved });
      if (bytes === 0)
        throw new DhError('audio_invalid', 'The body is empty.', {
          hint: 'Send a sound file or a picture as the body.',
        });
      return { id: basename(path), bytes };
    } finally {
      this.#receivingBytes -= reserved;
    }
  }

  /**
   * Throws `avatar_not_found`, `voice_not_found`, `language_unsupported`, `folder_forbidden`, `not_found`,
   * `queue_full`.
   */
  async create(request: RenderRequest): Promise<RenderView> {
    await this.#check(request);
    const id = randomUUID();
    const folder = this.#folderOf(id);
    const list = await Promise.all(
      request.items.map(async (item) => {
        const { upload: _upload, file: _file, ...rest } = item;
        const source = item.text === undefined || item.upload || item.file ? await this.#pathOf(item) : undefined;
        const image = item.image && (await this.#pathOf(item.image));
        return { ...rest, ...(source ? { file: source } : {}), ...(image ? { image } : {}) };
      }),
    );
    const flags = [...request.flags];
    if (request.image) flags.push('--image', await this.#pathOf(request.image));
    await mkdir(folder, { recursive: true });
    const view = newView(id, this.#options.now());
    try {
      await writeFile(join(folder, 'list.json'), JSON.stringify(list));
      await writeFile(join(folder, 'flags.json'), JSON.stringify(flags));
      await writeAtomically(join(folder, 'render.json'), JSON.stringify(view));
      this.#views.set(id, view);
      this.#submit(view, flags);
    } catch (error) {
      this.#views.delete(id);
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return view;
  }

  /** Cancels and removes all of it. Throws `render_not_found`. */
  async remove(id: string): Promise<void> {
    this.get(id);
    this.#views.delete(id);
    await this.#options.runner.cancel(id);
    await this.#writing;
    await rm(this.#folderOf(id), { recursive: true, force: true });
    this.emit('event', id, 'state', { state: 'cancelled' });
  }

  /** Path of a finished file. Throws `render_not_found`, `not_found`. */
  async file(id: string, name: string): Promise<{ path: string; bytes: number }> {
    this.get(id);
    const path = join(this.#folderOf(id), 'out', name);
    const known = /^[\w-][\w.-]*$/.test(name) ? await stat(path).catch(() => null) : null;
    if (!known?.isFile())
      throw new DhError('not_found', `The render has no file ${JSON.stringify(name.slice(0, 100))}.`);
    return { path, bytes: known.size };
  }

  /** Names of the files that are there. */
  async files(id: string): Promise<string[]> {
    const names = await readdir(join(this.#folderOf(id), 'out')).catch(() => []);
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  /** Removes what is too old. */
  async sweep(): Promise<void> {
    const oldest = this.#options.now() - this.#options.config().keepHours * 3_600_000;
    for (const { id, endedAtMs } of this.list()) if ((endedAtMs ?? Infinity) < oldest) await this.remove(id);
    const used = this.list().some(({ endedAtMs }) => endedAtMs === null);
    for (const name of used ? [] : await readdir(this.#uploadFolder)) {
      const path = join(this.#uploadFolder, name);
      if (((await stat(path).catch(() => null))?.mtimeMs ?? Infinity) < oldest) await rm(path, { force: true });
    }
  }

  /** Ends what runs; the next server goes on with it. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await this.#options.runner.close();
    await this.#writing;
    await this.#lock.close();
  }

  get #uploadFolder(): string {
    return join(this.#folder, 'uploads');
  }

  #folderOf(id: string): string {
    return join(this.#folder, id);
  }

  async #uploadedBytes(): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(this.#uploadFolder)) {
      bytes += (await stat(join(this.#uploadFolder, name)).catch(() => null))?.size ?? 0;
    }
    return bytes;
  }

  async #pathOf({ upload, file }: FileSource): Promise<string> {
    if (upload !== undefined) {
      const path = join(this.#uploadFolder, upload);
      const now = this.#options.now() / 1000;
      // In use: it is not old.
      await utimes(path, now, now).catch(() => {
        throw new DhError('not_found', `There is no upload ${upload}.`, {
          hint: 'POST /api/v1/renders/uploads first.',
        });
      });
      return path;
    }
    const { folder } = this.#options.config();
    if (folder === undefined) {
      throw new DhError('folder_forbidden', 'Renders may not use files of the server.', {
        hint: 'Upload the files, or set renders.folder in the configuration.',
      });
    }
    const root = await realpath(folder).catch(() => resolve(folder));
    const path = await realpath(resolve(root, file ?? '')).catch((cause: unknown) => {
      const wanted = resolve(root, file ?? '');
      if (wanted !== root && !wanted.startsWith(root + sep)) return wanted;
      throw new DhError('not_found', `There is no file ${JSON.stringify(file)} in the folder of renders.`, { cause });
    });
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw new DhError('folder_forbidden', `${JSON.stringify(file)} is outside of the folder of renders.`, {
        hint: 'Give a path under renders.folder.',
      });
    }
    return path;
  }

  /** What a render would find out only later. */
  async #check({ items, avatar, voice, language }: RenderRequest): Promise<void> {
    if (avatar !== undefined) await this.#options.checkAvatar(avatar);
    if (voice !== undefined) this.#options.checkVoice({ voice });
    const seen = new Set<string>();
    for (const item of items) {
      if (item.text === undefined || item.upload !== undefined || item.file !== undefined) continue;
      const wanted = { voice: item.voice ?? voice, language: item.language ?? language };
      const key = JSON.stringify([wanted.voice, wanted.language]);
      if (seen.has(key)) continue;
      seen.add(key);
      this.#options.checkVoice(wanted);
    }
  }

  /** Folders that clients do not see. */
  #hidden(id: string): string[] {
    const { folder } = this.#options.config();
    const hidden = [this.#folderOf(id), this.#uploadFolder, this.#folder, ...(folder === undefined ? [] : [folder])];
    return hidden.map((each) => resolve(each));
  }

  async #load(): Promise<void> {
    for (const id of await readdir(this.#folder)) {
      const folder = this.#folderOf(id);
      const text = await readFile(join(folder, 'render.json'), 'utf8').catch(() => null);
      if (text === null) continue;
      let view: RenderView;
      try {
        view = withoutPaths(readView(text, id), this.#hidden(id));
      } catch (error) {
        this.#options.log.warn({ folder, err: error }, 'render is damaged and left out; its folder can be removed');
        continue;
      }
      this.#views.set(id, view);
      if (view.endedAtMs !== null) continue;
      view.state = 'queued';
      try {
        this.#submit(view, JSON.parse(await readFile(join(folder, 'flags.json'), 'utf8')) as string[]);
      } catch (error) {
        this.#options.log.warn({ render: id, err: error }, 'render cannot go on');
        this.#end(view, 'failed', withoutPaths(DhError.from(error).toJSON(), this.#hidden(id)));
      }
    }
  }

  #submit(view: RenderView, flags: readonly string[]): void {
    const folder = this.#folderOf(view.id);
    const script = this.#options.script ?? entryPath(import.meta.url, '../../cli.js');
    const paths = ['-o', join(folder, 'out'), '--temp', join(folder, 'temp'), '--project', view.id];
    this.#options.runner.submit({
      id: view.id,
      args: [script, 'render', join(folder, 'list.json'), ...paths, '--json', ...flags],
      onStart: () => this.#change(view, 'running'),
      onEvent: (event) => this.#told(view, event),
      onEnd: (code, stderr) => {
        if (view.endedAtMs !== null) return;
        this.#options.log.warn({ render: view.id, code, stderr: stderr.trim() }, 'render crashed');
        const what = code === null ? 'was killed' : `ended with exit code ${code}`;
        const error = new DhError('task_crashed', `The render ${what}.`, { hint: 'The log of the server says more.' });
        this.#end(view, 'failed', error.toJSON());
      },
    });
  }

  #told(view: RenderView, told: Record<string, unknown>): void {
    if (told['event'] === 'note' || told['event'] === 'error') {
      this.#options.log.debug({ render: view.id, told }, 'render told');
    }
    const event = withoutPaths(told, this.#hidden(view.id));
    switch (event['event']) {
      case 'progress': {
        view.progress = progressOf(event as unknown as RenderProgress);
        this.emit('event', view.id, 'progress', view.progress);
        break;
      }
      case 'note':
        if (view.notes.length < MAX_NOTES) view.notes.push(String(event['message']));
        this.emit('event', view.id, 'note', { message: event['message'] });
        break;
      case 'done': {
        const { event: _event, output: _output, project: _project, index: _index, full, ...result } = event;
        view.result = { ...result, full: typeof full === 'string' ? basename(full) : null };
        this.#end(view, 'done', null);
        break;
      }
      case 'error':
        this.#end(view, 'failed', DhError.from(event['error']).toJSON());
        break;
      default:
        this.emit('event', view.id, String(event['event']), event);
    }
  }

  #end(view: RenderView, state: 'done' | 'failed', error: ErrorJson | null): void {
    view.error = error;
    view.endedAtMs = this.#options.now();
    this.#change(view, state);
  }

  #change(view: RenderView, state: RenderState): void {
    view.state = state;
    const path = join(this.#folderOf(view.id), 'render.json');
    const text = JSON.stringify(view);
    this.#writing = this.#writing
      .then(() => (this.#views.has(view.id) ? writeAtomically(path, text) : undefined))
      .catch(() => undefined);
    this.emit('event', view.id, 'state', { state, ...(view.error ? { error: view.error } : {}) });
  }
}
