import type { FacePose, I420Frame } from '../../units.js';
import type { BakedAvatar, BakedRegion } from '../baked.js';
import { REGION_DIMENSIONS } from '../baked.js';
import { addMix, writeMix } from './blend.js';
import { PoseMixer } from './mixer.js';

/** One region in use: its patches, its mixer, and whether its place is shared with something else that moves. */
interface LiveRegion {
  readonly region: BakedRegion;
  readonly mixer: PoseMixer;
  readonly point: Float64Array;
  /** Its rectangle overlaps another region's, so what it changes is added. */
  readonly shared: boolean;
}

/**
 * The face before it moves: a base picture with the regions of the current pose written into it. Only what changed
 * since the last pose is written. The planes have the padding of the baked bases.
 */
export class FaceCanvas {
  readonly frame: I420Frame;
  readonly #bases: readonly I420Frame[];
  readonly #regions: LiveRegion[];
  #base = 0;

  /** Draws into `frame`, which begins as a copy of the first base. */
  constructor(baked: BakedAvatar, frame: I420Frame) {
    this.#bases = baked.bases;
    this.frame = frame;
    this.#regions = baked.regions.map((region) => ({
      region,
      mixer: new PoseMixer(region.name, region.poses, REGION_DIMENSIONS[region.name].length),
      point: new Float64Array(REGION_DIMENSIONS[region.name].length),
      shared: baked.regions.some((other) => other !== region && overlap(other, region)),
    }));
  }

  /** Brings the canvas to a pose, on base `baseIndex` of an idle loop. */
  draw(pose: FacePose, baseIndex: number): void {
    const fresh = baseIndex !== this.#base;
    if (fresh) this.#copyBase(baseIndex);
    let sharedChanged = false;
    for (let i = 0; i < this.#regions.length; i++) {
      const live = this.#regions[i] as LiveRegion;
      readPoint(live.region.name, pose, live.point);
      const changed = live.mixer.mix(live.point);
      if (live.shared) sharedChanged ||= changed;
      else if (baseIndex === 0) {
        if (changed || fresh) this.#write(live);
      } else if (fresh) this.#add(live);
      else if (changed) {
        this.#restore(live.region);
        this.#add(live);
      }
    }
    if (!sharedChanged && !fresh) return;
    if (!fresh) this.#eachShared((live) => this.#restore(live.region));
    this.#eachShared((live) => this.#add(live));
  }

  #eachShared(act: (live: LiveRegion) => void): void {
    for (let i = 0; i < this.#regions.length; i++) {
      const live = this.#regions[i] as LiveRegion;
      if (live.shared) act(live);
    }
  }

  #copyBase(index: number): void {
    const base = this.#bases[index] as I420Frame;
    this.frame.y.set(base.y);
    this.frame.u.set(base.u);
    this.frame.v.set(base.v);
    this.#base = index;
  }

  #write({ region, mixer }: LiveRegion): void {
    const { rect, patches, patchBytes } = region;
    const { frame } = this;
    const luma = rect.width * rect.height;
    const w = rect.width >> 1;
    const h = rect.height >> 1;
    const at = rect.y * frame.strideY + rect.x;
    const atUV = (rect.y >> 1) * frame.strideUV + (rect.x >> 1);
    writeMix(patches, patchBytes, 0, mixer, frame.y, at, frame.strideY, rect.width, rect.height);
    writeMix(patches, patchBytes, luma, mixer, frame.u, atUV, frame.strideUV, w, h);
    writeMix(patches, patchBytes, luma + w * h, mixer, frame.v, atUV, frame.strideUV, w, h);
  }

  #add({ region, mixer }: LiveRegion): void {
    const { rect, patches, patchBytes } = region;
    const { frame } = this;
    // Patches were drawn over the first base.
    const base = this.#bases[0] as I420Frame;
    const luma = rect.width * rect.height;
    const w = rect.width >> 1;
    const h = rect.height >> 1;
    const at = rect.y * frame.strideY + rect.x;
    const atUV = (rect.y >> 1) * frame.strideUV + (rect.x >> 1);
    addMix(patches, patchBytes, 0, mixer, base.y, frame.y, at, frame.strideY, rect.width, rect.height);
    addMix(patches, patchBytes, luma, mixer, base.u, frame.u, atUV, frame.strideUV, w, h);
    addMix(patches, patchBytes, luma + w * h, mixer, base.v, frame.v, atUV, frame.strideUV, w, h);
  }

  #restore({ rect }: BakedRegion): void {
    const base = this.#bases[this.#base] as I420Frame;
    const { frame } = this;
    copyRect(base.y, frame.y, frame.strideY, rect.x, rect.y, rect.width, rect.height);
    const x = rect.x >> 1;
    const y = rect.y >> 1;
    copyRect(base.u, frame.u, frame.strideUV, x, y, rect.width >> 1, rect.height >> 1);
    copyRect(base.v, frame.v, frame.strideUV, x, y, rect.width >> 1, rect.height >> 1);
  }
}

function copyRect(
  from: Uint8Array,
  to: Uint8Array,
  stride: number,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  for (let j = 0; j < height; j++) {
    let o = (y + j) * stride + x;
    for (const end = o + width; o < end; o++) to[o] = from[o] as number;
  }
}

function readPoint(name: BakedRegion['name'], pose: FacePose, point: Float64Array): void {
  switch (name) {
    case 'mouth':
      point[0] = pose.mouth.open;
      point[1] = pose.mouth.width;
      point[2] = pose.mouth.round;
      point[3] = pose.mouth.teeth;
      point[4] = pose.mouth.tongue;
      point[5] = pose.mouth.press;
      point[6] = pose.mouth.tuck;
      break;
    case 'eyes':
      point[0] = pose.eyes.x;
      point[1] = pose.eyes.y;
      point[2] = pose.eyes.close;
      break;
    case 'brows':
      point[0] = pose.brows.raise;
      point[1] = pose.brows.frown;
      break;
  }
}

function overlap(a: BakedRegion, b: BakedRegion): boolean {
  return (
    a.rect.x < b.rect.x + b.rect.width &&
    b.rect.x < a.rect.x + a.rect.width &&
    a.rect.y < b.rect.y + b.rect.height &&
    b.rect.y < a.rect.y + a.rect.height
  );
}
