import { readdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DhError } from '../errors.js';
import { loadPackage, readPackageJson } from './package.js';
import type { AvatarSource } from './source.js';

/** An avatar that can be asked for by name. */
export interface AvatarInfo {
  name: string;
  title: string;
  builtIn: boolean;
}

/** Names that may be asked for; they are names of folders, never paths. */
export const AVATAR_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/i;
/** The avatar that ships with the program. */
export const BUILT_IN_AVATAR = 'presenter';
const BUILT_IN: AvatarInfo = { name: BUILT_IN_AVATAR, title: 'Presenter', builtIn: true };

/** The built-in avatar and the packages in some folders, read anew at every call. */
export class Catalogue {
  readonly #folders: readonly string[];

  /** A folder that does not exist is empty. Of packages with one name the first folder's counts; none replaces a built-in. */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** All avatars by name; packages whose `avatar.json` is not valid are left out. */
  async list(): Promise<AvatarInfo[]> {
    const found = new Map<string, AvatarInfo>([[BUILT_IN.name, BUILT_IN]]);
    for (const folder of this.#folders) {
      const names = (await readdir(folder).catch(() => [])).filter(
        (name) => AVATAR_NAME.test(name) && !found.has(name),
      );
      for (const name of names.sort()) {
        const info = await this.resolve(name).catch(() => null);
        if (info) found.set(name, info);
      }
    }
    return [...found.values()];
  }

  /** Looks at `avatar.json` only. Throws `avatar_not_found`, and `avatar_invalid` when the file is not valid. */
  async resolve(name: string): Promise<AvatarInfo> {
    if (name === BUILT_IN.name) return BUILT_IN;
    const { title } = await readPackageJson(name, await this.#folderOf(name));
    return { name, title, builtIn: false };
  }

  /** Loads an avatar so that it can be baked. Throws as `resolve`, and `avatar_invalid` when a picture is not valid. */
  async load(name: string): Promise<AvatarSource> {
    // The artwork is only needed where it is drawn.
    if (name === BUILT_IN.name) return (await import('./presenter/index.js')).presenter;
    return loadPackage(await this.#folderOf(name));
  }

  async #folderOf(name: string): Promise<string> {
    if (AVATAR_NAME.test(name)) {
      for (const folder of this.#folders) {
        const root = await realpath(folder).catch(() => null);
        if (root === null) continue;
        const path = await realpath(join(root, name)).catch(() => null);
        // A link that leads elsewhere, or a file system that ignores case, is not that avatar.
        if (path !== null && path === join(root, name) && basename(path) === name) return path;
      }
    }
    throw new DhError('avatar_not_found', `There is no avatar “${name.slice(0, 64)}”.`, {
      hint: 'GET /api/v1/avatars lists them.',
    });
  }
}
