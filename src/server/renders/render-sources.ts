import { access, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { DhError } from '../../errors.js';
import type { FileSource, RenderRequest } from './render-request.js';
import type { RenderUploads } from './render-uploads.js';

export interface RenderSourcesOptions {
  uploads: RenderUploads;
  /** Folder of the server whose files may be used; undefined: none. */
  folder: () => string | undefined;
}

/** What a render is made from, with paths of this machine. */
export interface ResolvedSources {
  /** As `dh-live render` reads it from a `.json` list. */
  list: object[];
  /** Picture of items without one. */
  image: string | null;
}

/** Items that are looked up at a time. */
const ABREAST = 32;

/** Finds the files of renders: uploads, and those of one folder, also through links. */
export class RenderSources {
  readonly #options: RenderSourcesOptions;

  constructor(options: RenderSourcesOptions) {
    this.#options = options;
  }

  /**
   * Lets a render use all uploads that a request names, in one go: none is removed before its render is in the list.
   * Returns their ids. Throws `not_found` that names the item.
   */
  useUploads({ items, image }: RenderRequest, render: string): string[] {
    const used = new Set<string>();
    const use = (source: FileSource | undefined, where: string): void => {
      if (source?.upload === undefined || used.has(source.upload)) return;
      try {
        this.#options.uploads.use(source.upload, render);
      } catch (error) {
        throw at(where, error);
      }
      used.add(source.upload);
    };
    use(image, 'image');
    for (const [i, item] of items.entries()) {
      use(item, `items.${i}`);
      use(item.image, `items.${i}.image`);
    }
    return [...used];
  }

  /** Looks up each file once. Throws `folder_forbidden`, `not_found`, with the item that it is about. */
  async resolve({ items, image }: RenderRequest): Promise<ResolvedSources> {
    const known = new Map<string, Promise<string>>();
    const pathOf = async (source: FileSource, where: string): Promise<string> => {
      const name = source.upload === undefined ? `file ${source.file}` : `upload ${source.upload}`;
      let path = known.get(name);
      if (!path) known.set(name, (path = this.#path(source)));
      return path.catch((error: unknown) => {
        throw at(where, error);
      });
    };
    const list: object[] = [];
    for (let i = 0; i < items.length; i += ABREAST) {
      const some = items.slice(i, i + ABREAST).map(async (item, k) => {
        const { upload, file, image: picture, ...rest } = item;
        const hasFile = upload !== undefined || file !== undefined;
        return {
          ...rest,
          ...(hasFile ? { file: await pathOf({ upload, file }, `items.${i + k}`) } : {}),
          ...(picture ? { image: await pathOf(picture, `items.${i + k}.image`) } : {}),
        };
      });
      // All of them end before an error is told: none goes on unseen.
      await Promise.allSettled(some);
      list.push(...(await Promise.all(some)));
    }
    return { list, image: image ? await pathOf(image, 'image') : null };
  }

  async #path({ upload, file }: FileSource): Promise<string> {
    if (upload !== undefined) {
      const path = this.#options.uploads.path(upload);
      await access(path).catch((cause: unknown) => {
        throw new DhError('not_found', `The upload ${upload} is not there any more.`, { cause });
      });
      return path;
    }
    const folder = this.#options.folder();
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
}

function at(where: string, cause: unknown): DhError {
  const { code, message, hint } = DhError.from(cause);
  return new DhError(code, `${where}: ${message}`, { ...(hint === undefined ? {} : { hint }), cause });
}
