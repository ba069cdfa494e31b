import type { PoseMixer } from './mixer.js';

/**
 * Writes the mix of patches into a plane: Σ wᵢ · patchᵢ, weights of 256ths. `patches` holds the plane of patch i,
 * without row padding, at `i * patchBytes + planeOffset`.
 */
export function writeMix(
  patches: Uint8Array,
  patchBytes: number,
  planeOffset: number,
  mixer: PoseMixer,
  out: Uint8Array,
  outOffset: number,
  outStride: number,
  width: number,
  height: number,
): void {
  const { indices, weights, count } = mixer;
  let a = (indices[0] as number) * patchBytes + planeOffset;
  let b = (indices[1] as number) * patchBytes + planeOffset;
  let c = (indices[2] as number) * patchBytes + planeOffset;
  let d = (indices[3] as number) * patchBytes + planeOffset;
  const wa = weights[0] as number;
  const wb = weights[1] as number;
  const wc = weights[2] as number;
  const wd = weights[3] as number;
  for (let j = 0; j < height; j++) {
    let o = outOffset + j * outStride;
    const end = o + width;
    if (count === 1) {
      while (o < end) out[o++] = patches[a++] as number;
    } else if (count === 2) {
      while (o < end) out[o++] = ((patches[a++] as number) * wa + (patches[b++] as number) * wb + 128) >> 8;
    } else {
      while (o < end) {
        out[o++] =
          ((patches[a++] as number) * wa +
            (patches[b++] as number) * wb +
            (patches[c++] as number) * wc +
            (patches[d++] as number) * wd +
            128) >>
          8;
      }
    }
  }
}

/**
 * Adds what the mix changes of its base to a plane: out + Σ wᵢ · patchᵢ − base. For places that something else has
 * already changed: an idle loop, or a region that overlaps. `base` and `out` share offset and stride.
 */
export function addMix(
  patches: Uint8Array,
  patchBytes: number,
  planeOffset: number,
  mixer: PoseMixer,
  base: Uint8Array,
  out: Uint8Array,
  outOffset: number,
  outStride: number,
  width: number,
  height: number,
): void {
  const { indices, weights } = mixer;
  let a = (indices[0] as number) * patchBytes + planeOffset;
  let b = (indices[1] as number) * patchBytes + planeOffset;
  let c = (indices[2] as number) * patchBytes + planeOffset;
  let d = (indices[3] as number) * patchBytes + planeOffset;
  const wa = weights[0] as number;
  const wb = weights[1] as number;
  const wc = weights[2] as number;
  const wd = weights[3] as number;
  for (let j = 0; j < height; j++) {
    let o = outOffset + j * outStride;
    const end = o + width;
    for (; o < end; o++) {
      const mixed =
        ((patches[a++] as number) * wa +
          (patches[b++] as number) * wb +
          (patches[c++] as number) * wc +
          (patches[d++] as number) * wd +
          128) >>
        8;
      const value = (out[o] as number) + mixed - (base[o] as number);
      out[o] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}
