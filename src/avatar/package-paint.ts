import type { Patch } from './package-files.js';
import type { Rect, RgbPicture } from './source.js';

/** Lays a patch with its alpha over a picture, in place; what lies outside is cut off. */
export function layOver(picture: RgbPicture, patch: Patch): void {
  const left = Math.max(0, -patch.x);
  const right = Math.min(patch.width, picture.width - patch.x);
  const bottom = Math.min(patch.height, picture.height - patch.y);
  for (let j = Math.max(0, -patch.y); j < bottom; j++) {
    let p = (j * patch.width + left) * 4;
    let q = ((patch.y + j) * picture.width + patch.x + left) * 3;
    for (let i = left; i < right; i++, p += 4, q += 3) {
      const alpha = patch.data[p + 3] ?? 0;
      for (let k = 0; k < 3; k++) {
        const under = picture.data[q + k] ?? 0;
        picture.data[q + k] = Math.round(under + (((patch.data[p + k] ?? 0) - under) * alpha) / 255);
      }
    }
  }
}

/** The pixels of a patch inside `rect`, in canvas pixels, its opacity falling to nothing over `feather` pixels. */
export function cutPatch(patch: Patch, rect: Rect, feather: number): Patch {
  const x = Math.max(patch.x, rect.x);
  const y = Math.max(patch.y, rect.y);
  const width = Math.max(0, Math.min(patch.x + patch.width, rect.x + rect.width) - x);
  const height = Math.max(0, Math.min(patch.y + patch.height, rect.y + rect.height) - y);
  const data = new Uint8Array(width * height * 4);
  for (let j = 0; j < height; j++) {
    const from = ((y - patch.y + j) * patch.width + x - patch.x) * 4;
    data.set(patch.data.subarray(from, from + width * 4), j * width * 4);
    for (let i = 0; i < width; i++) {
      const px = x + i - rect.x;
      const py = y + j - rect.y;
      const inside = Math.min(px, py, rect.width - 1 - px, rect.height - 1 - py) + 0.5;
      const t = feather > 0 ? Math.min(1, inside / feather) : 1;
      const a = (j * width + i) * 4 + 3;
      data[a] = Math.round((data[a] ?? 0) * t * t * (3 - 2 * t));
    }
  }
  return { data, x, y, width, height };
}

/** A patch without its transparent border; null when nothing of it shows. */
export function trimPatch(patch: Patch): Patch | null {
  let left = patch.width;
  let right = -1;
  let top = patch.height;
  let bottom = -1;
  for (let j = 0; j < patch.height; j++) {
    for (let i = 0; i < patch.width; i++) {
      if (patch.data[(j * patch.width + i) * 4 + 3] === 0) continue;
      if (i < left) left = i;
      if (i > right) right = i;
      if (j < top) top = j;
      bottom = j;
    }
  }
  if (right < 0) return null;
  const rect = { x: patch.x + left, y: patch.y + top, width: right - left + 1, height: bottom - top + 1 };
  return cutPatch(patch, rect, 0);
}

/** Whether no pixel lets the base show through. */
export function isOpaque(patch: Patch): boolean {
  for (let a = 3; a < patch.data.length; a += 4) if (patch.data[a] !== 255) return false;
  return true;
}

/** The rectangle around all of the rectangles. */
export function union(rects: readonly Rect[]): Rect {
  const x = Math.min(...rects.map((r) => r.x));
  const y = Math.min(...rects.map((r) => r.y));
  return {
    x,
    y,
    width: Math.max(...rects.map((r) => r.x + r.width)) - x,
    height: Math.max(...rects.map((r) => r.y + r.height)) - y,
  };
}
