import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { DhError } from '../errors.js';
import { loadSharp } from './load-sharp.js';

/** 8-bit RGB with alpha, rows without padding, and where its top left corner lies on the canvas. */
export interface Patch {
  data: Uint8Array;
  x: number;
  y: number;
  width: number;
  height: number;
}

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_PIXELS = 40_000_000;
const PICTURE = /\.(png|jpe?g|webp|svg)$/i;
const FORMATS = new Set(['png', 'jpeg', 'webp', 'svg']);

/** The error of everything that is wrong in a package. `field` is a path in `avatar.json`. */
export function invalid(avatar: string, file: string, reason: string, field = '', cause?: unknown): DhError {
  const where = field === '' ? file : `${file}, ${field}`;
  return new DhError('avatar_invalid', `Avatar “${avatar}”: ${where}: ${reason}`, {
    hint: 'docs/avatars.md describes avatar packages.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The files of one package folder. Nothing outside of it is read, not even through a link. */
export class PackageFiles {
  readonly #name: string;
  readonly #root: string;

  private constructor(name: string, root: string) {
    this.#name = name;
    this.#root = root;
  }

  /** Throws `avatar_not_found` when there is no such folder. */
  static async open(name: string, folder: string): Promise<PackageFiles> {
    const root = await realpath(folder).catch(() => null);
    if (root === null || !(await stat(root)).isDirectory()) {
      throw new DhError('avatar_not_found', `There is no avatar “${name}”.`);
    }
    return new PackageFiles(name, root);
  }

  /** Reads a file of the package. Throws `avatar_invalid`. */
  async read(file: string, field: string): Promise<Buffer> {
    const path = await this.#resolve(file, field);
    const info = await stat(path);
    if (!info.isFile()) throw invalid(this.#name, file, 'is not a file', field);
    if (info.size > MAX_FILE_BYTES) throw invalid(this.#name, file, 'is larger than 64 MB', field);
    return readFile(path);
  }

  /** The pictures of a folder of the package, by name; numbers in names count as numbers. */
  async list(folder: string, field: string): Promise<string[]> {
    const path = await this.#resolve(folder, field);
    const names = await readdir(path).catch((cause: unknown) => {
      throw invalid(this.#name, folder, 'is not a folder', field, cause);
    });
    const pictures = names.filter((name) => PICTURE.test(name));
    if (pictures.length === 0) throw invalid(this.#name, folder, 'has no pictures', field);
    const order = new Intl.Collator('en', { numeric: true });
    return pictures.sort((a, b) => order.compare(a, b)).map((name) => `${folder.replace(/\/+$/, '')}/${name}`);
  }

  /** Decodes a picture to RGBA. Throws `avatar_invalid` when it is damaged, too large or of another kind. */
  async decode(data: Buffer, file: string, field: string): Promise<Patch> {
    try {
      const sharp = await loadSharp();
      const image = sharp(data, { limitInputPixels: MAX_PIXELS, failOn: 'warning' });
      const { format } = await image.metadata();
      if (!FORMATS.has(format)) throw new Error(`is ${format}, not PNG, JPEG, WebP or SVG`);
      const { data: raw, info } = await image
        .autoOrient()
        .toColourspace('srgb')
        .ensureAlpha()
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      return { data: raw, x: 0, y: 0, width: info.width, height: info.height };
    } catch (cause) {
      throw invalid(this.#name, file, cause instanceof Error ? cause.message : String(cause), field, cause);
    }
  }

  async #resolve(file: string, field: string): Promise<string> {
    const steps = file.split(/[\\/]/);
    if (isAbsolute(file) || file.includes('\0') || steps.includes('..') || /^[a-z]:/i.test(file)) {
      throw invalid(this.#name, file, 'leaves the folder of the avatar', field);
    }
    const path = await realpath(join(this.#root, ...steps)).catch((cause: unknown) => {
      throw invalid(this.#name, file, 'does not exist', field, cause);
    });
    if (!path.startsWith(this.#root + sep)) throw invalid(this.#name, file, 'leaves the folder of the avatar', field);
    return path;
  }
}
