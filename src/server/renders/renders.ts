import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { RendersConfig } from '../../config/schema.js';
import { entryPath } from '../../entry.js';
import { DhError, type ErrorJson } from '../../errors.js';
import { ProjectLock } from '../../render/project-lock.js';
import type { RenderProgress } from '../../render/render-events.js';
import type { Clock, Closable } from '../../units.js';
import { AgeLedger } from './age-ledger.js';
import { checkNames, type NameChecks } from './check-names.js';
import { withoutPaths } from './plain-text.js';
import { ProjectHolds } from './project-holds.js';
import { RenderFolders } from './render-folders.js';
import { jobsWith, renderAppetite, renderDemand } from './render-memory.js';
import type { RenderRequest } from './render-request.js';
import { RenderSources } from './render-sources.js';
import { RenderUploads } from './render-uploads.js';
import { newView, progressOf, type ProjectView, type RenderState, type RenderView } from './render-view.js';
import type { TaskRunner } from './task-runner.js';

export interface RendersOptions extends NameChecks {
  /** Kept over restarts; used by one server at a time. */
  folder: string;
  /** Used instead while another server has that one. */
  otherwise: string;
  config: () => RendersConfig;
  maxUploadBytes: () => number;
  runner: TaskRunner;
  /** Gets what clients are not told: where files lie, and what a child wrote before it died. */
  log: Pick<Logger, 'warn' | 'debug'>;
  /** Wall clock in ms: for what clients are told, and for how long no server ran. */
  now: () => number;
  /** Monotonic, in ms: how long things are kept counts by it. */
  clock: Clock;
  /** Aborts the opening. */
  signal?: AbortSignal;
  /** The program that renders; replaced in tests. */
  script?: string;
}

const MAX_NOTES = 100;
const SWEEP_MS = 600_000;

/** Renders over HTTP: their state, what they use, and how long all that is kept. Emits `event`: id, name, data. */
export class Renders extends EventEmitter<{ event: [id: string, name: string, data: object] }> implements Closable {
  readonly #options: RendersOptions;
  readonly #folders: RenderFolders;
  readonly #lock: ProjectLock;
  readonly #ages: AgeLedger;
  readonly #uploads: RenderUploads;
  readonly #sources: RenderSources;
  readonly #views = new Map<string, RenderView>();
  readonly #holds = new ProjectHolds();
  readonly #sweeper: NodeJS.Timeout;
  #writing = Promise.resolve();

  private constructor(
    options: RendersOptions,
    folders: RenderFolders,
    parts: { lock: ProjectLock; ages: AgeLedger; uploads: RenderUploads },
  ) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    this.#folders = folders;
    this.#lock = parts.lock;
    this.#ages = parts.ages;
    this.#uploads = parts.uploads;
    this.#sources = new RenderSources({ uploads: parts.uploads, folder: () => options.config().folder });
    this.#sweeper = setInterval(() => void this.sweep().catch(() => undefined), SWEEP_MS).unref();
  }

  /** Lists what an earlier server left, and goes on with what it had not finished. */
  static async open(options: RendersOptions): Promise<Renders> {
    const { log, signal } = options;
    let { folder } = options;
    const lockOf = (path: string): Promise<ProjectLock> =>
      ProjectLock.acquire(join(path, 'lock'), `The folder ${path}`, {
        onWait: (reason) => log.warn({ reason }, 'waiting to see whether another server uses the folder of renders'),
        ...(signal ? { signal } : {}),
      });
    const lock = await lockOf(folder).catch((error: unknown) => {
      signal?.throwIfAborted();
      const { message: reason } = DhError.from(error);
      folder = options.otherwise;
      log.warn(
        { reason, instead: folder },
        'renders are kept only until this server stops, and earlier ones not shown',
      );
      return lockOf(folder);
    });
    lock.lost.addEventListener('abort', () => {
      log.warn({ folder }, 'another server has taken the folder of renders over while this one stood still');
    });
    const folders = new RenderFolders(folder);
    await folders.make();
    const { clock, now, config } = options;
    const mostAwayMs = () => keepMs(config()) / 2;
    const ages = await AgeLedger.open({ path: folders.ages, clock, now, mostAwayMs });
    const uploads = await RenderUploads.open({
      folder: folders.uploads,
      receiving: folders.receiving,
      ages,
      maxFileBytes: options.maxUploadBytes,
      maxBytes: () => config().maxUploadsMb * 1e6,
    });
    const renders = new Renders(options, folders, { lock, ages, uploads });
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
  upload(stream: Readable): Promise<{ id: string; bytes: number }> {
    return this.#uploads.receive(stream);
  }

  /**
   * Throws `avatar_not_found`, `voice_not_found`, `language_unsupported`, `folder_forbidden`, `not_found`,
   * `render_busy`, `queue_full`.
   */
  async create(request: RenderRequest): Promise<RenderView> {
    const { project = null } = request;
    const id = randomUUID();
    const view = newView(id, project, this.#options.now());
    this.#holds.take(view.project, view.id);
    try {
      const uploads = this.#sources.useUploads(request, id);
      await checkNames(request, this.#options);
      const { list, image } = await this.#sources.resolve(request);
      const flags = [...request.flags, ...(image === null ? [] : ['--image', image])];
      await this.#folders.create(view, list, { flags, uploads });
      this.#views.set(id, view);
      this.#submit(view, flags);
    } catch (error) {
      this.#views.delete(id);
      this.#holds.giveBack(view.project, view.id);
      this.#uploads.release(id);
      await this.#folders.removeRender(id);
      throw error;
    }
    // The files are the project's; what an earlier render told of them is no longer so.
    for (const old of project === null ? [] : this.#rendersOf(project)) if (old.id !== id) await this.#drop(old);
    return view;
  }

  /** Cancels and removes all of it, but for the files of its project. Throws `render_not_found`. */
  async remove(id: string): Promise<void> {
    const view = this.get(id);
    const uploads = await this.#drop(view);
    if (view.project === null) await this.#uploads.remove(uploads);
    else {
      this.#uploads.touch(uploads);
      this.#ages.touch(`project:${view.project}`);
    }
    this.emit('event', id, 'state', { state: 'cancelled' });
  }

  /** The projects that have files. */
  async projects(): Promise<ProjectView[]> {
    const projects = await this.#folders.projects();
    return projects.map(({ name }) => ({ project: name, render: this.#rendersOf(name).at(-1)?.id ?? null }));
  }

  /** Removes all files of a project, and its render. Throws `not_found`, `render_busy`. */
  async removeProject(name: string): Promise<void> {
    const known = (await this.projects()).some(({ project }) => project === name);
    if (!known) throw new DhError('not_found', `There is no project ${JSON.stringify(name.slice(0, 100))}.`);
    const id = randomUUID();
    this.#holds.take(name, id);
    try {
      for (const render of this.#rendersOf(name)) await this.#uploads.remove(await this.#drop(render));
      await this.#folders.removeProject(name);
      this.#ages.forget(`project:${name}`);
    } finally {
      this.#holds.giveBack(name, id);
    }
  }

  /** Path of a finished file. Throws `render_not_found`, `not_found`. */
  async file(id: string, name: string): Promise<{ path: string; bytes: number }> {
    const path = join(this.#folders.out(this.get(id)), name);
    const known = /^[\w-][\w.-]*$/.test(name) ? await stat(path).catch(() => null) : null;
    if (!known?.isFile())
      throw new DhError('not_found', `The render has no file ${JSON.stringify(name.slice(0, 100))}.`);
    return { path, bytes: known.size };
  }

  /** Names of the files that are there. */
  async files(id: string): Promise<string[]> {
    const names = await readdir(this.#folders.out(this.get(id))).catch(() => []);
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  /** Removes what is too old: renders that ended, projects without one, uploads that none uses. */
  async sweep(): Promise<void> {
    const keep = keepMs(this.#options.config());
    for (const view of this.list()) {
      if (view.endedAtMs !== null && this.#ages.age(`render:${view.id}`) > keep) await this.#drop(view);
    }
    for (const { project, render } of await this.projects()) {
      const name = `project:${project}`;
      if (render !== null || this.#holds.isTaken(project) || this.#ages.age(name) <= keep) continue;
      await this.removeProject(project).catch((error: unknown) => {
        this.#options.log.warn({ project, err: error }, 'old project cannot be removed');
      });
    }
    await this.#uploads.sweep(keep);
    await this.#ages.save().catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'how old uploads and renders are cannot be saved');
    });
  }

  /** Ends what runs; the next server goes on with it. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([this.#options.runner.close(), this.#uploads.close()]);
    await this.#writing;
    await this.#ages.save().catch(() => undefined);
    await this.#lock.close();
  }

  #rendersOf(project: string): RenderView[] {
    return this.list().filter((view) => view.project === project);
  }

  /** Cancels a render and removes what it had to itself. Returns the uploads that no render uses now. */
  async #drop(view: RenderView): Promise<string[]> {
    this.#views.delete(view.id);
    await this.#options.runner.cancel(view.id);
    await this.#writing;
    await this.#folders.removeRender(view.id);
    this.#ages.forget(`render:${view.id}`);
    this.#holds.giveBack(view.project, view.id);
    return this.#uploads.release(view.id);
  }

  /** Folders that clients do not see. */
  #hidden(view: RenderView): string[] {
    const { folder } = this.#options.config();
    return [...this.#folders.hidden(view), ...(folder === undefined ? [] : [resolve(folder)])];
  }

  async #load(): Promise<void> {
    for (const found of await this.#folders.found()) {
      if ('error' in found) {
        const { folder, error } = found;
        this.#options.log.warn({ folder, err: error }, 'render is damaged and left out; its folder can be removed');
        continue;
      }
      const view = withoutPaths(found.view, this.#hidden(found.view));
      this.#views.set(view.id, view);
      const { request } = found;
      if (!(request instanceof Error)) this.#uploads.adopt(view.id, request.uploads);
      if (view.endedAtMs !== null) {
        this.#ages.adopt(`render:${view.id}`, view.endedAtMs);
        continue;
      }
      view.state = 'queued';
      try {
        if (request instanceof Error) throw request;
        this.#holds.take(view.project, view.id);
        this.#submit(view, request.flags);
      } catch (error) {
        this.#options.log.warn({ render: view.id, err: error }, 'render cannot go on');
        this.#end(view, 'failed', withoutPaths(DhError.from(error).toJSON(), this.#hidden(view)));
      }
    }
    const projects = await this.#folders.projects();
    for (const { name, changedAtMs } of projects) this.#ages.adopt(`project:${name}`, changedAtMs);
    const renders = [...this.#views.keys()].map((id) => `render:${id}`);
    this.#ages.retain(
      new Set([...renders, ...projects.map(({ name }) => `project:${name}`), ...this.#uploads.names()]),
    );
  }

  #submit(view: RenderView, flags: readonly string[]): void {
    const script = this.#options.script ?? entryPath(import.meta.url, '../../cli.js');
    const demand = renderDemand(flags);
    const paths = ['-o', this.#folders.out(view), '--temp', this.#folders.temp(view)];
    // A process of a server that was killed may take a moment to end.
    const project = ['--project', view.project ?? view.id, '--wait'];
    this.#options.runner.submit({
      id: view.id,
      args: (bytes) => {
        const jobs = bytes === null ? [] : ['--jobs', String(jobsWith(bytes, demand))];
        return [script, 'render', this.#folders.list(view.id), ...paths, ...project, '--json', ...flags, ...jobs];
      },
      appetite: renderAppetite(demand),
      onStart: () => this.#change(view, 'running'),
      onPaused: () => this.#change(view, 'queued'),
      over: () => view.endedAtMs !== null,
      onRefused: (error) => {
        if (view.endedAtMs === null) this.#end(view, 'failed', error.toJSON());
      },
      onEvent: (event) => this.#told(view, event),
      onEnd: (code, stderr) => {
        if (view.endedAtMs === null) this.#crashed(view, code, stderr);
      },
    });
  }

  #crashed(view: RenderView, code: number | null, stderr: string): void {
    this.#options.log.warn({ render: view.id, code, stderr: stderr.trim() }, 'render crashed');
    const what = code === null ? 'was killed' : `ended with exit code ${code}`;
    const error = new DhError('task_crashed', `The render ${what}.`, { hint: 'The log of the server says more.' });
    this.#end(view, 'failed', error.toJSON());
  }

  #told(view: RenderView, told: Record<string, unknown>): void {
    if (told['event'] === 'note' || told['event'] === 'error') {
      this.#options.log.debug({ render: view.id, told }, 'render told');
    }
    const event = withoutPaths(told, this.#hidden(view));
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
    this.#ages.touch(`render:${view.id}`);
    if (view.project !== null) this.#ages.touch(`project:${view.project}`);
    // Its process has let the files go before it told the end.
    this.#holds.giveBack(view.project, view.id);
    this.#change(view, state);
  }

  #change(view: RenderView, state: RenderState): void {
    view.state = state;
    this.#writing = this.#writing
      .then(() => (this.#views.has(view.id) ? this.#folders.save(view) : undefined))
      .catch(() => undefined);
    this.emit('event', view.id, 'state', { state, ...(view.error ? { error: view.error } : {}) });
  }
}

function keepMs({ keepHours }: RendersConfig): number {
  return keepHours * 3_600_000;
}
