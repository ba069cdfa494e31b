import { DhError } from '../errors.js';
import { cropRgb, differenceRect, extendEdges, fadeInto, packedPlanes, rgbToI420 } from './bake-colour.js';
import { cachedBake, storeBake } from './bake-cache.js';
import { type BakedAvatar, type BakedHeader, layOutBaked, patchBytes, REGION_DIMENSIONS, sealBaked } from './baked.js';
import { type Anchors, type AvatarSource, type Rect, REGIONS, type RegionName, type RgbPicture } from './source.js';

/** A source whose neutral picture is a loop at 25 fps instead of one still; `drawBase` draws its first picture. */
export interface LoopSource extends AvatarSource {
  readonly idle: {
    readonly count: number;
    /** How many pictures the end is faded into the beginning over; 0 when the loop closes by itself. */
    readonly crossfadeFrames: number;
  };
  drawIdle(index: number, view: Rect, width: number, height: number): Promise<RgbPicture>;
}

export interface BakeOptions {
  /** Size of the output in pixels, even. */
  width: number;
  height: number;
  /** Folder of the cache on disk; null: no cache. A cache that cannot be written is no error. */
  cacheDir: string | null;
  /** Called after each drawing. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** Pixels that differ by less are rounding of the drawing, not movement. */
const TOLERANCE = 2;
/** Drawings under way at a time: sharp draws each on a thread of its own. */
const PARALLEL = 2;
/** What an avatar may take in memory, in all. */
const MAX_BYTES = 512 * 1024 * 1024;

interface DrawnRegion {
  name: RegionName;
  rect: Rect;
  poses: number[][];
  patches: RgbPicture[];
}

/**
 * Draws an avatar for one output size: its bases and all its patches, converted once. Takes a finished one from the
 * cache when there is one. Throws what the source throws, `avatar_invalid` when the result would be too large, and
 * the signal's reason when it is aborted.
 */
export async function bakeAvatar(source: AvatarSource, options: BakeOptions): Promise<BakedAvatar> {
  return (await bakeStored(source, options)).baked;
}

/** As `bakeAvatar`; also says where the cache keeps the result, null when it does not. */
export async function bakeStored(
  source: AvatarSource,
  options: BakeOptions,
): Promise<{ baked: BakedAvatar; path: string | null }> {
  const { width, height, cacheDir } = options;
  if (!(width >= 16 && height >= 16) || width % 2 || height % 2) {
    throw new RangeError(`An output of ${width} × ${height} is not possible: sides are even and at least 16.`);
  }
  const cached = cacheDir === null ? null : await cachedBake(cacheDir, source, width, height);
  if (cached) return cached;
  const baked = await draw(source, options);
  return { baked, path: cacheDir === null ? null : await storeBake(cacheDir, source, baked) };
}

async function draw(source: AvatarSource, options: BakeOptions): Promise<BakedAvatar> {
  const view = source.view(options.width / options.height);
  const fit = fitPicture(view, options.width, options.height);
  const { width, height } = fit;
  const loop = 'idle' in source ? (source as LoopSource) : null;
  const specs = REGIONS.flatMap((name) => {
    const spec = source.regions[name];
    const rect = spec && spec.poses.length > 0 ? pixelRect(spec.rect, view, width, height) : null;
    return spec && rect ? [{ name, rect, keys: spec.poses }] : [];
  });
  const bases = loop ? loopPlan(loop.idle.count, loop.idle.crossfadeFrames) : [];
  const total = specs.reduce((sum, { keys }) => sum + keys.length, Math.max(1, bases.length));
  let done = 0;
  const step = <T>(value: T): T => {
    options.signal?.throwIfAborted();
    options.onProgress?.(++done, total);
    return value;
  };

  options.signal?.throwIfAborted();
  const neutral = check(await source.drawBase(view, width, height), width, height);
  if (!loop) step(neutral);
  const drawn: DrawnRegion[] = [];
  for (const { name, rect, keys } of specs) {
    const patches = await mapLimit(keys.length, PARALLEL, async (index) =>
      step(check(await source.drawPatch(name, index, rect, view, width, height), rect.width, rect.height)),
    );
    const dims = REGION_DIMENSIONS[name] as readonly string[];
    const poses = keys.map((key) => dims.map((dim) => (key as unknown as Record<string, number>)[dim] ?? 0));
    const tight = tighten(patches, neutral, rect);
    if (tight) drawn.push({ name, rect: tight, poses, patches: patches.map((p) => cropRgb(p, relative(tight, rect))) });
  }

  const header: BakedHeader = {
    name: source.name,
    title: source.title,
    pictureWidth: width,
    pictureHeight: height,
    outputWidth: options.width,
    outputHeight: options.height,
    fit,
    anchors: pixelAnchors(source.anchors, view, width / view.width, height / view.height),
    baseCount: Math.max(1, bases.length),
    regions: drawn.map(({ name, rect, poses }) => ({ name, rect, poses })),
  };
  const baked = layOutChecked(header);
  for (const [i, { patches, rect }] of drawn.entries()) {
    const region = baked.regions[i];
    if (!region) continue;
    for (const [k, patch] of patches.entries()) {
      rgbToI420(patch, packedPlanes(region.patches, k * patchBytes(rect), rect.width, rect.height));
    }
  }
  if (!loop) fillBase(baked, 0, neutral);
  for (const [i, plan] of bases.entries()) {
    if (!loop) break;
    const picture = check(await loop.drawIdle(plan.index, view, width, height), width, height);
    if (plan.from !== null) {
      fadeInto(picture, check(await loop.drawIdle(plan.from, view, width, height), width, height), plan.weight);
    }
    fillBase(baked, i, step(picture));
  }
  sealBaked(baked);
  return baked;
}

/** The largest even picture of the view's aspect that fits an output, and its place in the middle. */
export function fitPicture(view: Rect, width: number, height: number): Rect {
  const aspect = view.width / view.height;
  const even = (value: number, limit: number) => Math.max(2, Math.min(limit, Math.round(value / 2) * 2));
  const wide = aspect >= width / height;
  const w = wide ? width : even(height * aspect, width);
  const h = wide ? even(width / aspect, height) : height;
  return { x: Math.floor((width - w) / 4) * 2, y: Math.floor((height - h) / 4) * 2, width: w, height: h };
}

/**
 * Which pictures make the loop: for `i` below the fade, the picture after the end fades into picture `i`, so the last
 * picture flows into the first.
 */
export function loopPlan(count: number, crossfadeFrames: number) {
  const fade = Math.max(0, Math.min(crossfadeFrames, Math.floor(count / 3)));
  return Array.from({ length: count - fade }, (_, index) => ({
    index,
    from: index < fade ? count - fade + index : null,
    weight: index < fade ? 1 - (index + 1) / (fade + 1) : 0,
  }));
}

function layOutChecked(header: BakedHeader): BakedAvatar {
  const pixels = header.regions.reduce((sum, { rect, poses }) => sum + poses.length * rect.width * rect.height, 0);
  const bytes = (header.baseCount * header.pictureWidth * header.pictureHeight + pixels) * 1.5;
  if (bytes <= MAX_BYTES) return layOutBaked(header);
  throw new DhError('avatar_invalid', `Avatar “${header.name}” would take ${Math.round(bytes / 1e6)} MB in memory.`, {
    hint: 'Use fewer idle pictures, smaller regions, or a smaller output.',
  });
}

function fillBase(baked: BakedAvatar, index: number, picture: RgbPicture): void {
  const base = baked.bases[index];
  if (!base) return;
  rgbToI420(picture, base);
  extendEdges(base.y, base.width, base.height, base.strideY);
  extendEdges(base.u, base.width / 2, base.height / 2, base.strideUV);
  extendEdges(base.v, base.width / 2, base.height / 2, base.strideUV);
}

function check(picture: RgbPicture, width: number, height: number): RgbPicture {
  if (picture.width === width && picture.height === height && picture.data.length === width * height * 3)
    return picture;
  throw new Error(`Asked for ${width} × ${height} pixels, got ${picture.width} × ${picture.height}.`);
}

/** Even pixels around a rectangle of the canvas, cut to the picture; null when nothing of it is in view. */
function pixelRect(rect: Rect, view: Rect, width: number, height: number): Rect | null {
  const sx = width / view.width;
  const sy = height / view.height;
  return evenRect(
    (rect.x - view.x) * sx,
    (rect.y - view.y) * sy,
    (rect.x + rect.width - view.x) * sx,
    (rect.y + rect.height - view.y) * sy,
    { x: 0, y: 0, width, height },
  );
}

function evenRect(left: number, top: number, right: number, bottom: number, limit: Rect): Rect | null {
  const x = Math.max(limit.x, Math.floor(left / 2) * 2);
  const y = Math.max(limit.y, Math.floor(top / 2) * 2);
  const width = Math.min(limit.x + limit.width, Math.ceil(right / 2) * 2) - x;
  const height = Math.min(limit.y + limit.height, Math.ceil(bottom / 2) * 2) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/** The even rectangle in which any of the patches differs from the base; null when none does. */
function tighten(patches: RgbPicture[], base: RgbPicture, rect: Rect): Rect | null {
  const rects = patches.map((patch) => differenceRect(patch, base, rect, TOLERANCE)).filter((r) => r !== null);
  if (rects.length === 0) return null;
  return evenRect(
    Math.min(...rects.map((r) => r.x)),
    Math.min(...rects.map((r) => r.y)),
    Math.max(...rects.map((r) => r.x + r.width)),
    Math.max(...rects.map((r) => r.y + r.height)),
    rect,
  );
}

function relative(rect: Rect, origin: Rect): Rect {
  return { ...rect, x: rect.x - origin.x, y: rect.y - origin.y };
}

function pixelAnchors(anchors: Anchors, view: Rect, sx: number, sy: number): Anchors {
  const point = ({ x, y }: { x: number; y: number }) => ({ x: (x - view.x) * sx, y: (y - view.y) * sy });
  const ellipse = (e: Anchors['head']) => ({ ...point(e), rx: e.rx * sx, ry: e.ry * sy });
  return { head: ellipse(anchors.head), pivot: point(anchors.pivot), chest: ellipse(anchors.chest) };
}

async function mapLimit<T>(count: number, limit: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const results = new Array<T>(count);
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await make(index);
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  return results;
}
