import type { RegionName } from '../source.js';

/** Weights of a mix add up to this. */
export const WEIGHT_ONE = 256;
/** No mix has more patches than this: more would look like a double exposure. */
export const MAX_PATCHES = 4;

/** How much a step of each coordinate changes the picture, in the order of `REGION_DIMENSIONS`. */
const METRIC: { readonly [R in RegionName]: readonly number[] } = {
  mouth: [2, 1, 1.2, 0.3, 0.4, 1.6, 1.4],
  // A lid that shuts matters more than where the eye behind it looks.
  eyes: [1, 1, 8],
  brows: [1, 1],
};
/** Of the eyes, poses with one gaze form a group; gaze itself jumps, as eyes do, for two mixed irises look wrong. */
const GROUPED: { readonly [R in RegionName]: number } = { mouth: 0, eyes: 2, brows: 0 };
const SAME = 1e-4;

/**
 * Chooses the patches of a region for a pose, and how much of each: modified Shepard weights of the nearest poses,
 * w = ((R − d) / (R d))², where R is the distance of the first one left out. So a weight is zero when its pose enters
 * or leaves the choice, and a moving pose makes moving weights. Allocates nothing after construction.
 */
export class PoseMixer {
  /** Patches in use; the first `count` count. */
  readonly indices = new Int32Array(MAX_PATCHES);
  /** Their weights, adding up to `WEIGHT_ONE`; those behind `count` are 0. */
  readonly weights = new Int32Array(MAX_PATCHES);
  count = 0;

  readonly #poses: Float32Array;
  readonly #dims: number;
  readonly #metric: Float32Array;
  readonly #groups: Int32Array[];
  readonly #all: Int32Array;
  readonly #near = new Int32Array(MAX_PATCHES + 1);
  readonly #distance = new Float64Array(MAX_PATCHES + 1);
  readonly #raw = new Float64Array(MAX_PATCHES);
  readonly #point: Float64Array;
  readonly #last = new Int32Array(2 * MAX_PATCHES).fill(-1);

  /** `poses`: rows of `dims` coordinates. */
  constructor(region: RegionName, poses: Float32Array, dims: number) {
    if (poses.length < dims || dims !== METRIC[region].length) throw new RangeError(`No poses for ${region}.`);
    this.#poses = poses;
    this.#dims = dims;
    this.#metric = Float32Array.from(METRIC[region]);
    this.#point = new Float64Array(dims);
    this.#all = Int32Array.from({ length: poses.length / dims }, (_, i) => i);
    this.#groups = groupsOf(poses, dims, GROUPED[region]);
  }

  /** Chooses for a point, `dims` coordinates. Returns whether the choice differs from the one before. */
  mix(point: ArrayLike<number>): boolean {
    for (let d = 0; d < this.#dims; d++) this.#point[d] = Number.isFinite(point[d]) ? (point[d] as number) : 0;
    const group = this.#groups.length > 0 ? this.#snap() : null;
    if (group) this.#choose(group, 2);
    else this.#choose(this.#all, MAX_PATCHES);
    return this.#changed();
  }

  /** Moves the point to the nearest gaze there is. Returns its poses when they go from open to shut, else null. */
  #snap(): Int32Array | null {
    let best: Int32Array | null = null;
    let least = Infinity;
    for (let g = 0; g < this.#groups.length; g++) {
      const group = this.#groups[g] as Int32Array;
      const row = (group[0] as number) * this.#dims;
      const dx = (this.#poses[row] as number) - (this.#point[0] as number);
      const dy = (this.#poses[row + 1] as number) - (this.#point[1] as number);
      const distance = dx * dx + dy * dy;
      if (distance < least) {
        least = distance;
        best = group;
      }
    }
    if (!best) return null;
    const row = (best[0] as number) * this.#dims;
    this.#point[0] = this.#poses[row] as number;
    this.#point[1] = this.#poses[row + 1] as number;
    return best.length > 1 ? best : null;
  }

  #choose(candidates: Int32Array, limit: number): void {
    const near = this.#near;
    const distance = this.#distance;
    const dims = this.#dims;
    let found = 0;
    for (let c = 0; c < candidates.length; c++) {
      const index = candidates[c] as number;
      let square = 0;
      for (let d = 0; d < dims; d++) {
        const delta =
          ((this.#poses[index * dims + d] as number) - (this.#point[d] as number)) * (this.#metric[d] as number);
        square += delta * delta;
      }
      const far = Math.sqrt(square);
      if (found > limit && far >= (distance[limit] as number)) continue;
      let slot = found <= limit ? found++ : limit;
      for (; slot > 0 && (distance[slot - 1] as number) > far; slot--) {
        distance[slot] = distance[slot - 1] as number;
        near[slot] = near[slot - 1] as number;
      }
      distance[slot] = far;
      near[slot] = index;
    }
    this.#weigh(Math.min(found, limit), found > limit ? (distance[limit] as number) : Infinity);
  }

  #weigh(count: number, radius: number): void {
    const { indices, weights } = this;
    weights.fill(0);
    indices.fill(this.#near[0] as number);
    this.count = 1;
    if ((this.#distance[0] as number) < SAME || count === 1) {
      weights[0] = WEIGHT_ONE;
      return;
    }
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const d = this.#distance[k] as number;
      const w = radius === Infinity ? 1 / d : (radius - d) / (radius * d);
      this.#raw[k] = w * w;
      sum += w * w;
    }
    // All equally far: take them equally.
    if (sum <= 0) {
      this.#raw.fill(1);
      sum = count;
    }
    let left = WEIGHT_ONE;
    for (let k = 1; k < count; k++) {
      const weight = Math.round((WEIGHT_ONE * (this.#raw[k] as number)) / sum);
      if (weight <= 0) continue;
      weights[this.count] = Math.min(left, weight);
      indices[this.count] = this.#near[k] as number;
      left -= weights[this.count] as number;
      this.count++;
    }
    weights[0] = left;
  }

  #changed(): boolean {
    const last = this.#last;
    let changed = false;
    for (let k = 0; k < MAX_PATCHES; k++) {
      const index = (this.weights[k] as number) > 0 ? (this.indices[k] as number) : -1;
      if (last[2 * k] !== index || last[2 * k + 1] !== this.weights[k]) changed = true;
      last[2 * k] = index;
      last[2 * k + 1] = this.weights[k] as number;
    }
    return changed;
  }
}

/** Indices of the poses by their first `dims` coordinates; a group that never shuts is reduced to one pose. */
function groupsOf(poses: Float32Array, stride: number, dims: number): Int32Array[] {
  if (dims === 0) return [];
  const groups = new Map<string, number[]>();
  for (let i = 0; i < poses.length / stride; i++) {
    const key = poses.slice(i * stride, i * stride + dims).join();
    groups.set(key, [...(groups.get(key) ?? []), i]);
  }
  return [...groups.values()].map((group) => {
    const shut = group.map((i) => poses[i * stride + dims] ?? 0);
    const whole = Math.min(...shut) <= 0.05 && Math.max(...shut) >= 0.9;
    return Int32Array.from(whole ? group : group.slice(0, 1));
  });
}
