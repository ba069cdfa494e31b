import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { neutralMouth } from '../units.js';
import type { LoopSource } from './bake.js';
import { loadSharp } from './load-sharp.js';
import { invalid, PackageFiles, type Patch } from './package-files.js';
import { cutPatch, isOpaque, layOver, trimPatch, union } from './package-paint.js';
import { type PackageJson, packageSchema } from './package-schema.js';
import type { Anchors, AvatarSource, Rect, RegionKeys, RegionName, RegionSpec, RgbPicture } from './source.js';
import { VISEME_POSES } from './visemes.js';
import { safeParse } from '../config/safe-parse.js';

const JSON_FILE = 'avatar.json';

/** The pictures that are laid over the base for one pose of a region; none for the neutral pose. */
type Overlays = readonly Patch[];

/** Pictures of one part of `avatar.json`, decoded, with what they are keyed by. */
interface Keyed<K> {
  key: K;
  patch: Patch;
}

/** Reads and checks `avatar.json` alone. Throws `avatar_not_found` and `avatar_invalid`. */
export async function readPackageJson(name: string, folder: string): Promise<PackageJson> {
  return parseJson(name, await (await PackageFiles.open(name, folder)).read(JSON_FILE, ''));
}

/**
 * Reads an avatar package, a folder with `avatar.json`, and decodes its pictures (those of a loop only as they are
 * drawn). The avatar has the name of the folder. Throws `avatar_not_found`, and `avatar_invalid` with the file, the
 * field and the reason.
 */
export async function loadPackage(folder: string): Promise<AvatarSource> {
  const name = basename(resolve(folder));
  const files = await PackageFiles.open(name, folder);
  const text = await files.read(JSON_FILE, '');
  const json = parseJson(name, text);
  return new Loader(name, files, json, createHash('sha256').update(text)).load();
}

function parseJson(name: string, text: Buffer): PackageJson {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw invalid(name, JSON_FILE, cause instanceof Error ? cause.message : 'is not JSON', '', cause);
  }
  const result = safeParse(packageSchema, value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(name, JSON_FILE, issue?.message ?? 'is not valid', issue?.path.join('.') ?? '', result.error);
}

class Loader {
  readonly #name: string;
  readonly #files: PackageFiles;
  readonly #json: PackageJson;
  readonly #hash: ReturnType<typeof createHash>;

  constructor(name: string, files: PackageFiles, json: PackageJson, hash: ReturnType<typeof createHash>) {
    this.#name = name;
    this.#files = files;
    this.#json = json;
    this.#hash = hash;
  }

  async load(): Promise<AvatarSource> {
    const { base, layers, mouth, lids, gaze, brows, size, anchors, title } = this.#json;
    const baseFiles = await this.#baseFiles(base);
    const bases: Buffer[] = [];
    for (const file of baseFiles) {
      const data = await this.#files.read(file, 'base');
      this.#hash.update(data);
      bases.push(data);
    }
    const behind: Patch[] = [];
    const front: Patch[] = [];
    for (const [i, layer] of layers.entries()) {
      (layer.front ? front : behind).push(await this.#picture(layer.file, layer.at, `layers.${i}`));
    }
    const mouths = await this.#keyed('mouth', mouth, (p) =>
      p.viseme ? { ...VISEME_POSES[p.viseme] } : { ...neutralMouth(), ...p.pose },
    );
    const shut = await this.#keyed('lids', lids, ({ close }) => ({ close }));
    const gazes = await this.#keyed('gaze', gaze, ({ x, y }) => ({ x, y }));
    const raised = await this.#keyed('brows', brows, ({ raise, frown }) => ({ raise, frown }));

    const overlays: Partial<Record<RegionName, Overlays[]>> = {};
    const regions: { [R in RegionName]?: RegionSpec<RegionKeys[R]> } = {};
    const add = <R extends RegionName>(region: R, poses: { key: RegionKeys[R]; patches: Overlays }[]) => {
      const rects = poses.flatMap(({ patches }) => patches);
      if (rects.length === 0) return;
      overlays[region] = poses.map(({ patches }) => patches);
      (regions as Record<RegionName, unknown>)[region] = { rect: union(rects), poses: poses.map(({ key }) => key) };
    };
    add(
      'mouth',
      withNeutral(
        mouths.map(({ key, patch }) => ({ key, patches: [patch] })),
        neutralMouth(),
      ),
    );
    add('eyes', eyePoses(gazes, shut));
    add(
      'brows',
      withNeutral(
        raised.map(({ key, patch }) => ({ key, patches: [patch] })),
        { raise: 0, frown: 0 },
      ),
    );

    const decode = async (index: number): Promise<RgbPicture> => {
      const file = baseFiles[index] ?? '';
      const picture = await this.#files.decode(bases[index] ?? Buffer.alloc(0), file, 'base');
      if (picture.width !== size.width || picture.height !== size.height) {
        const reason = `is ${picture.width} × ${picture.height}, but size says ${size.width} × ${size.height}`;
        throw invalid(this.#name, file, reason, 'base');
      }
      const whole = { data: new Uint8Array(size.width * size.height * 3), ...size };
      layOver(whole, picture);
      for (const layer of behind) layOver(whole, layer);
      return whole;
    };
    const source = new PackageSource({
      name: this.#name,
      title,
      fingerprint: this.#hash.digest('hex'),
      anchors: fullAnchors(anchors),
      regions,
      size,
      neutral: await decode(0),
      overlays,
      front,
    });
    if (baseFiles.length === 1) return source;
    const crossfadeFrames = typeof base === 'object' ? base.crossfadeFrames : 0;
    return source.asLoop(baseFiles.length, crossfadeFrames, decode);
  }

  async #baseFiles(base: PackageJson['base']): Promise<string[]> {
    if (typeof base === 'string') return [base];
    return 'files' in base ? base.files : this.#files.list(base.folder, 'base.folder');
  }

  async #picture(file: string, at: { x: number; y: number } | undefined, field: string): Promise<Patch> {
    const data = await this.#files.read(file, `${field}.file`);
    this.#hash.update(file).update(data);
    const picture = await this.#files.decode(data, file, `${field}.file`);
    return { ...picture, x: Math.round(at?.x ?? 0), y: Math.round(at?.y ?? 0) };
  }

  async #keyed<P extends { file: string; at?: { x: number; y: number } | undefined }, K>(
    field: string,
    part: { rect?: Rect | undefined; feather: number; pictures: P[] } | undefined,
    keyOf: (picture: P) => K,
  ): Promise<Keyed<K>[]> {
    const found: Keyed<K>[] = [];
    const { width, height } = this.#json.size;
    for (const [i, picture] of (part?.pictures ?? []).entries()) {
      const where = `${field}.pictures.${i}`;
      const whole = await this.#picture(picture.file, picture.at, where);
      const rect = part?.rect;
      if (!rect && whole.width >= width && whole.height >= height && isOpaque(whole)) {
        throw invalid(this.#name, picture.file, `covers the whole picture: give ${field}.rect`, where);
      }
      const cut = cutPatch(whole, rect ?? { x: 0, y: 0, width, height }, rect ? (part?.feather ?? 0) : 0);
      const patch = trimPatch(cut);
      // A picture without any visible pixel is a way to say “as in the base”.
      found.push({
        key: keyOf(picture),
        patch: patch ?? { data: new Uint8Array(0), x: cut.x, y: cut.y, width: 0, height: 0 },
      });
    }
    return found;
  }
}

/** Adds the base itself as the neutral pose, unless a picture is given for it. */
function withNeutral<K extends object>(poses: { key: K; patches: Overlays }[], neutral: K) {
  const same = (key: K) =>
    Object.entries(neutral).every(([name, value]) => (key as Record<string, number>)[name] === value);
  return poses.some(({ key }) => same(key)) ? poses : [{ key: neutral, patches: [] as Overlays }, ...poses];
}

/** Every lid with every gaze: the lid lies over the eye. */
function eyePoses(gazes: Keyed<{ x: number; y: number }>[], lids: Keyed<{ close: number }>[]) {
  const looks = withNeutral(
    gazes.map(({ key, patch }) => ({ key, patches: [patch] })),
    { x: 0, y: 0 },
  );
  const shuts = withNeutral(
    lids.map(({ key, patch }) => ({ key, patches: [patch] })),
    { close: 0 },
  );
  return looks.flatMap((look) =>
    shuts.map((shut) => ({ key: { ...look.key, ...shut.key }, patches: [...look.patches, ...shut.patches] })),
  );
}

function fullAnchors({ head, pivot, chest }: PackageJson['anchors']): Anchors {
  const neck = pivot ?? { x: head.x, y: head.y + head.ry * 1.1 };
  return {
    head,
    pivot: neck,
    chest: chest ?? { x: neck.x, y: neck.y + head.ry * 0.8, rx: head.rx * 2, ry: head.ry },
  };
}

interface PackageParts {
  name: string;
  title: string;
  fingerprint: string;
  anchors: Anchors;
  regions: { [R in RegionName]?: RegionSpec<RegionKeys[R]> };
  size: { width: number; height: number };
  neutral: RgbPicture;
  overlays: Partial<Record<RegionName, Overlays[]>>;
  front: Overlays;
}

class PackageSource implements AvatarSource {
  readonly name: string;
  readonly title: string;
  readonly fingerprint: string;
  readonly anchors: Anchors;
  readonly regions: { [R in RegionName]?: RegionSpec<RegionKeys[R]> };
  readonly #parts: PackageParts;

  constructor(parts: PackageParts) {
    ({
      name: this.name,
      title: this.title,
      fingerprint: this.fingerprint,
      anchors: this.anchors,
      regions: this.regions,
    } = parts);
    this.#parts = parts;
  }

  /** The same avatar with a loop; `decode` gives its pictures in canvas size, new ones each time. */
  asLoop(count: number, crossfadeFrames: number, decode: (index: number) => Promise<RgbPicture>): LoopSource {
    return Object.assign(this, {
      idle: { count, crossfadeFrames },
      drawIdle: async (index: number, _view: Rect, width: number, height: number) => {
        const picture = await decode(index);
        for (const layer of this.#parts.front) layOver(picture, layer);
        return resize(picture, width, height);
      },
    });
  }

  view(): Rect {
    return { x: 0, y: 0, ...this.#parts.size };
  }

  drawBase(_view: Rect, width: number, height: number): Promise<RgbPicture> {
    return resize(this.#compose([]), width, height);
  }

  drawPatch(
    region: RegionName,
    index: number,
    at: Rect,
    _view: Rect,
    width: number,
    height: number,
  ): Promise<RgbPicture> {
    const patches = this.#parts.overlays[region]?.[index];
    if (!patches) throw new RangeError(`There is no pose ${index} of ${region}.`);
    // The whole picture is scaled and then cut, so a patch lies exactly where the base has it.
    return resize(this.#compose(patches), width, height, at);
  }

  #compose(patches: Overlays): RgbPicture {
    const { neutral, front } = this.#parts;
    const picture = { ...neutral, data: neutral.data.slice() };
    for (const patch of patches) layOver(picture, patch);
    for (const layer of front) layOver(picture, layer);
    return picture;
  }
}

async function resize(picture: RgbPicture, width: number, height: number, at?: Rect): Promise<RgbPicture> {
  const raw = { width: picture.width, height: picture.height, channels: 3 as const };
  const sharp = await loadSharp();
  let image = sharp(picture.data, { raw }).resize(width, height, { fit: 'fill', kernel: 'lanczos3' });
  if (at) image = image.extract({ left: at.x, top: at.y, width: at.width, height: at.height });
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
