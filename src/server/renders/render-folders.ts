import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../../render/atomic-file.js';
import { PROJECT_NAME } from '../../render/project-name.js';
import { readView, type RenderView } from './render-view.js';

/** What a render was asked for, beside its list. */
export interface SavedRequest {
  /** Flags of `dh-live render`. */
  flags: string[];
  /** Ids of the uploads that it uses. */
  uploads: string[];
}

/** What an earlier server has left of a render, or what is wrong with that. */
export type FoundRender =
  { folder: string; view: RenderView; request: SavedRequest | Error } | { folder: string; error: Error };

const ID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const Request = z.object({ flags: z.array(z.string()), uploads: z.array(z.string()) });

/**
 * The folder of renders over HTTP: the one of the settings, else `renders` in the cache. Where an older version kept them
 * beside the cache, they stay there.
 */
export async function rendersFolder(dataDir: string | undefined, cacheDir: string): Promise<string> {
  if (dataDir !== undefined) return resolve(dataDir);
  const [inside, beside] = [join(cacheDir, 'renders'), join(dirname(resolve(cacheDir)), 'renders')];
  const older = !(await exists(inside)) && (await exists(join(beside, 'ages.json')));
  return older ? beside : inside;
}

/**
 * Where the files of renders over HTTP are:
 *
 * - `<id>/render.json`, `list.json`, `request.json`: one render; with `out/` and `temp/` when it has no project
 * - `projects/<name>/out`, `temp`: what renders of one project go on from, and nothing of another
 * - `uploads/<id>`, `receiving/`: files that clients sent, and those that they are sending
 * - `ages.json`: how long all that was not used
 */
export class RenderFolders {
  readonly root: string;
  readonly uploads: string;
  readonly receiving: string;
  readonly ages: string;
  readonly #projects: string;

  constructor(root: string) {
    this.root = resolve(root);
    this.uploads = join(this.root, 'uploads');
    this.receiving = join(this.root, 'receiving');
    this.ages = join(this.root, 'ages.json');
    this.#projects = join(this.root, 'projects');
  }

  async make(): Promise<void> {
    await mkdir(this.uploads, { recursive: true });
    await mkdir(this.#projects, { recursive: true });
    // Left by a server that was killed while it wrote.
    const left = (await readdir(this.root)).filter((name) => /^ages\.json\.\d+\.tmp$/.test(name));
    for (const name of left) await rm(join(this.root, name), { force: true });
  }

  of(id: string): string {
    return join(this.root, id);
  }

  project(name: string): string {
    return join(this.#projects, name);
  }

  list(id: string): string {
    return join(this.of(id), 'list.json');
  }

  /** Finished files of a render, or of its project. */
  out({ id, project }: Pick<RenderView, 'id' | 'project'>): string {
    return join(project === null ? this.of(id) : this.project(project), 'out');
  }

  temp({ id, project }: Pick<RenderView, 'id' | 'project'>): string {
    return join(project === null ? this.of(id) : this.project(project), 'temp');
  }

  /** Folders that clients are not told of, the longest first. */
  hidden({ id, project }: Pick<RenderView, 'id' | 'project'>): string[] {
    return [this.of(id), ...(project === null ? [] : [this.project(project)]), this.uploads, this.root];
  }

  /** Writes all that a render begins with; without the last of it, it does not count. */
  async create(view: RenderView, list: readonly object[], request: SavedRequest): Promise<void> {
    const folder = this.of(view.id);
    await mkdir(folder, { recursive: true });
    await writeFile(this.list(view.id), JSON.stringify(list));
    await writeFile(join(folder, 'request.json'), JSON.stringify(request));
    await this.save(view);
  }

  async save(view: RenderView): Promise<void> {
    await writeAtomically(join(this.of(view.id), 'render.json'), JSON.stringify(view));
  }

  async removeRender(id: string): Promise<void> {
    await rm(this.of(id), { recursive: true, force: true });
  }

  async removeProject(name: string): Promise<void> {
    await rm(this.project(name), { recursive: true, force: true });
  }

  /** Every render that is there; what a server that was killed had only begun to write is removed. */
  async found(): Promise<FoundRender[]> {
    const found: FoundRender[] = [];
    for (const id of (await readdir(this.root)).filter((name) => ID.test(name))) {
      const folder = this.of(id);
      try {
        const view = readView(await readFile(join(folder, 'render.json'), 'utf8'), id);
        found.push({ folder, view, request: await this.#request(id).catch((error: unknown) => error as Error) });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') await this.removeRender(id);
        else found.push({ folder, error: error as Error });
      }
    }
    return found;
  }

  /** Names of the projects that have files, and when they were made or last changed, by the wall clock. */
  async projects(): Promise<{ name: string; changedAtMs: number }[]> {
    const projects = [];
    for (const name of (await readdir(this.#projects)).filter((each) => PROJECT_NAME.test(each)).sort()) {
      const stats = await stat(this.project(name)).catch(() => null);
      if (stats?.isDirectory()) projects.push({ name, changedAtMs: stats.mtimeMs });
    }
    return projects;
  }

  async #request(id: string): Promise<SavedRequest> {
    return Request.parse(JSON.parse(await readFile(join(this.of(id), 'request.json'), 'utf8')));
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
