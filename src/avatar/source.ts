import type { FacePose, MouthPose } from '../units.js';

/** A rectangle, in canvas units or pixels as the name of the value says. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** 8-bit RGB without alpha, rows without padding: `width * height * 3` bytes, sRGB. */
export interface RgbPicture {
  data: Uint8Array;
  width: number;
  height: number;
}

/** The parts of a face that are drawn anew while the rest stays. */
export const REGIONS = ['mouth', 'eyes', 'brows'] as const;
export type RegionName = (typeof REGIONS)[number];

/** What a patch of each region is keyed by: the same coordinates as in `FacePose`. */
export interface RegionKeys {
  mouth: MouthPose;
  eyes: FacePose['eyes'];
  brows: FacePose['brows'];
}

/** One region: where it is on the canvas, and the poses of which there is a picture. */
export interface RegionSpec<K> {
  /** Canvas units. Every pixel that differs from the base in any of the poses lies inside. */
  rect: Rect;
  poses: K[];
}

/** Where the parts that move are, in canvas units. Idle movement is a smooth warp of the picture around them. */
export interface Anchors {
  /** Ellipse around head and hair: inside it the head moves as a whole, outside the movement fades out. */
  head: { x: number; y: number; rx: number; ry: number };
  /** The point at the base of the neck about which the head turns. */
  pivot: { x: number; y: number };
  /** Middle of the chest: breathing lifts what is around it. */
  chest: { x: number; y: number; rx: number; ry: number };
}

/**
 * An avatar before it is baked for an output size: something that can draw its base picture and its patches at any
 * scale. The built-in presenter draws SVG, a package folder resizes the operator's pictures.
 */
export interface AvatarSource {
  readonly name: string;
  readonly title: string;
  /** Changes whenever a drawing would: part of the key of the cache on disk. */
  readonly fingerprint: string;
  readonly anchors: Anchors;
  readonly regions: { [R in RegionName]?: RegionSpec<RegionKeys[R]> };
  /**
   * The part of the canvas to show for an output of `aspect` = width / height; its own aspect is exactly `aspect`
   * unless the avatar's picture has an aspect of its own, in which case the output pads.
   */
  view(aspect: number): Rect;
  /** The whole picture in its neutral pose: `view` drawn to `width` × `height` pixels. */
  drawBase(view: Rect, width: number, height: number): Promise<RgbPicture>;
  /**
   * The finished pixels (patch over base, opaque) of `at`, a rectangle in pixels of the picture that `drawBase`
   * gives for the same view and size, with pose `index` of the region.
   */
  drawPatch(
    region: RegionName,
    index: number,
    at: Rect,
    view: Rect,
    width: number,
    height: number,
  ): Promise<RgbPicture>;
}
