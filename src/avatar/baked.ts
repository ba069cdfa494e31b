import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { DhError } from '../errors.js';
import type { I420Frame } from '../units.js';
import type { Anchors, Rect, RegionKeys, RegionName } from './source.js';

/** Raised whenever the layout of the blob or the way it is drawn changes: older cache files are baked anew. */
export const BAKED_VERSION = 1;

/** The coordinates of each region's poses, in the order in which a baked pose stores them. */
export const REGION_DIMENSIONS: { readonly [R in RegionName]: readonly (keyof RegionKeys[R])[] } = {
  mouth: ['open', 'width', 'round', 'teeth', 'tongue', 'press', 'tuck'],
  eyes: ['x', 'y', 'close'],
  brows: ['raise', 'frown'],
};

/** The patches of one region. All share the rectangle, whose edges are even pixels of the picture. */
export interface BakedRegion {
  readonly name: RegionName;
  readonly rect: Rect;
  readonly count: number;
  /** `count` poses, coordinates in the order of `REGION_DIMENSIONS`. */
  readonly poses: Float32Array;
  /** `count` patches without row padding: luma, then both chroma planes. */
  readonly patches: Uint8Array;
  readonly patchBytes: number;
}

/** An avatar drawn for one output size. Read only; all views share one buffer, so many sessions can share it. */
export interface BakedAvatar {
  readonly name: string;
  readonly title: string;
  /** Size of the pictures, even. */
  readonly pictureWidth: number;
  readonly pictureHeight: number;
  /** The output it was baked for. Larger than the picture when the avatar has an aspect of its own. */
  readonly outputWidth: number;
  readonly outputHeight: number;
  /** Where the picture goes in the output, in pixels; all four even. */
  readonly fit: Rect;
  /** In pixels of the picture. */
  readonly anchors: Anchors;
  /**
   * One neutral picture, or the pictures of an idle loop at 25 fps. Each plane has one more row than the picture and
   * a stride wider by `EDGE`, filled with copies of its edge, so that a bilinear tap may reach beyond it.
   */
  readonly bases: readonly I420Frame[];
  readonly regions: readonly BakedRegion[];
  /** Size of the whole blob. */
  readonly bytes: number;
  /** What is stored on disk. */
  readonly blob: Uint8Array;
}

/** How many bytes a base plane's rows are longer than the picture. */
export const EDGE = 16;

/** What the blob's header says, as JSON. Offsets count from the start of the data. */
export interface BakedHeader {
  name: string;
  title: string;
  pictureWidth: number;
  pictureHeight: number;
  outputWidth: number;
  outputHeight: number;
  fit: Rect;
  anchors: Anchors;
  baseCount: number;
  regions: { name: RegionName; rect: Rect; poses: number[][] }[];
}

const MAGIC = 0x56414844; // "DHAV"
const PREAMBLE_BYTES = 24;

/** Sizes of a base's planes, padding included. */
export function basePlanes(width: number, height: number) {
  const strideY = width + EDGE;
  const strideUV = width / 2 + EDGE;
  const lumaBytes = strideY * (height + 1);
  const chromaBytes = strideUV * (height / 2 + 1);
  return { strideY, strideUV, lumaBytes, chromaBytes, bytes: lumaBytes + 2 * chromaBytes };
}

/** Bytes of one patch of a rectangle with even sides. */
export function patchBytes(rect: Rect): number {
  return (rect.width * rect.height * 3) / 2;
}

/** Makes an empty blob for a header and returns it with its parts, which the caller fills; then call `sealBaked`. */
export function layOutBaked(header: BakedHeader): BakedAvatar {
  const json = Buffer.from(JSON.stringify(header));
  const start = dataStart(json.length);
  const total = start + dataBytes(header);
  const blob = new Uint8Array(total);
  const view = new DataView(blob.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, BAKED_VERSION, true);
  view.setUint32(8, json.length, true);
  view.setBigUint64(16, BigInt(total), true);
  blob.set(json, PREAMBLE_BYTES);
  return viewsOf(blob, header, start);
}

/** Writes the checksum, once all pixels are in place. */
export function sealBaked(baked: BakedAvatar): void {
  const { blob } = baked;
  new DataView(blob.buffer, blob.byteOffset).setUint32(12, crc32(blob.subarray(PREAMBLE_BYTES)), true);
}

/** Reads a blob in place. Returns null when it is truncated, damaged or of another version. */
export function openBaked(bytes: Uint8Array): BakedAvatar | null {
  // No Buffer: the loops that read pixels should see one class of array only.
  const blob = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  if (blob.length < PREAMBLE_BYTES) return null;
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== BAKED_VERSION) return null;
  const jsonBytes = view.getUint32(8, true);
  if (view.getBigUint64(16, true) !== BigInt(blob.length) || dataStart(jsonBytes) > blob.length) return null;
  if (crc32(blob.subarray(PREAMBLE_BYTES)) !== view.getUint32(12, true)) return null;
  const json = Buffer.from(blob.buffer, blob.byteOffset + PREAMBLE_BYTES, jsonBytes).toString('utf8');
  const header = JSON.parse(json) as BakedHeader;
  const start = dataStart(jsonBytes);
  return start + dataBytes(header) === blob.length ? viewsOf(blob, header, start) : null;
}

/** Reads a baked avatar in one read. Throws `avatar_invalid` when the file is missing or damaged. */
export async function loadBaked(path: string): Promise<BakedAvatar> {
  const blob = await readFile(path).catch((cause: unknown) => {
    throw new DhError('avatar_invalid', 'The baked avatar cannot be read.', { cause });
  });
  const baked = openBaked(blob);
  if (!baked)
    throw new DhError('avatar_invalid', 'The baked avatar is damaged.', { hint: 'Delete it; it is made anew.' });
  return baked;
}

function dataStart(jsonBytes: number): number {
  return Math.ceil((PREAMBLE_BYTES + jsonBytes) / 64) * 64;
}

function dataBytes(header: BakedHeader): number {
  const bases = header.baseCount * basePlanes(header.pictureWidth, header.pictureHeight).bytes;
  return header.regions.reduce((sum, region) => sum + region.poses.length * patchBytes(region.rect), bases);
}

function viewsOf(blob: Uint8Array, header: BakedHeader, start: number): BakedAvatar {
  const { baseCount, regions, ...rest } = header;
  const { strideY, strideUV, lumaBytes, chromaBytes } = basePlanes(header.pictureWidth, header.pictureHeight);
  let offset = start;
  const take = (bytes: number) => blob.subarray(offset, (offset += bytes));
  const bases = Array.from({ length: baseCount }, () => ({
    width: header.pictureWidth,
    height: header.pictureHeight,
    y: take(lumaBytes),
    u: take(chromaBytes),
    v: take(chromaBytes),
    strideY,
    strideUV,
  }));
  const baked = regions.map(({ name, rect, poses }) => ({
    name,
    rect,
    count: poses.length,
    poses: Float32Array.from(poses.flat()),
    patches: take(poses.length * patchBytes(rect)),
    patchBytes: patchBytes(rect),
  }));
  return { ...rest, bases, regions: baked, bytes: blob.length, blob };
}
