import type { FacePose } from '../../units.js';
import type { BakedAvatar } from '../baked.js';

/** Distance of the field's nodes, in pixels of luma. */
export const CELL = 16;
/** Fixed point of displacements: 16 bits behind the point. */
export const ONE = 65_536;

/** How far a full breath lifts the chest, as a part of the picture's height. */
const BREATH_LIFT = 0.004;
/** The head rides on the shoulders. */
const HEAD_LIFT = 0.45;
/** The shoulders widen while they rise. */
const BREATH_WIDEN = 0.3;
/** Where the head's movement has faded out, in radii of its ellipse. */
const FADE = 1.5;
/** Movement ends before the border of the picture, over this part of its height. */
const BORDER = 0.05;
/** Limits of what a pose may ask for: head shifts in units of its width, degrees. */
const MAX_SHIFT = 0.08;
const MAX_TURN = 4;

/**
 * How far each place of the picture moves for a pose: nodes every 16 pixels, between which the warp interpolates.
 * Nothing moves at the border of the picture. Allocates nothing after construction.
 */
export class MotionField {
  readonly columns: number;
  readonly rows: number;
  /** Displacement of node `row * columns + column` in 65,536ths of a pixel; a pixel shows what lies at itself − d. */
  readonly dx: Int32Array;
  readonly dy: Int32Array;
  /** Cells of each row of cells that can move at all: `[first, last)`. */
  readonly spans: Int32Array;
  readonly #head: Float32Array;
  readonly #chest: Float32Array;
  readonly #baked: BakedAvatar;
  readonly #last = new Float64Array(4);

  constructor(baked: BakedAvatar) {
    const { pictureWidth: width, pictureHeight: height, anchors } = baked;
    this.#baked = baked;
    this.columns = Math.ceil(width / CELL) + 1;
    this.rows = Math.ceil(height / CELL) + 1;
    const nodes = this.columns * this.rows;
    this.dx = new Int32Array(nodes);
    this.dy = new Int32Array(nodes);
    this.#head = new Float32Array(nodes);
    this.#chest = new Float32Array(nodes);
    const border = BORDER * height;
    for (let n = 0; n < nodes; n++) {
      const x = (n % this.columns) * CELL;
      const y = Math.floor(n / this.columns) * CELL;
      const edge = smooth(this.#inside(x, y) / border);
      const head = reach(x, y, anchors.head);
      // Below the neck's base the body stays where it is.
      const above = smooth((anchors.pivot.y - y) / (anchors.head.ry * 0.8) + 0.5);
      this.#head[n] = edge * above * (1 - smooth((head - 1) / (FADE - 1)));
      this.#chest[n] = edge * (1 - smooth((reach(x, y, anchors.chest) - 0.4) / 0.9));
    }
    this.spans = this.#findSpans();
  }

  /** Computes the field of a pose. Returns whether anything moves. */
  update(pose: FacePose): boolean {
    const { anchors, pictureHeight } = this.#baked;
    const headWidth = anchors.head.rx * 2;
    const shiftX = limit(pose.head.x, MAX_SHIFT) * headWidth;
    const shiftY = limit(pose.head.y, MAX_SHIFT) * headWidth;
    const turn = (limit(pose.head.turn, MAX_TURN) * Math.PI) / 180;
    const lift = limit(pose.breath, 1.5) * BREATH_LIFT * pictureHeight;
    const last = this.#last;
    if (last[0] === shiftX && last[1] === shiftY && last[2] === turn && last[3] === lift) {
      return shiftX !== 0 || shiftY !== 0 || turn !== 0 || lift !== 0;
    }
    last[0] = shiftX;
    last[1] = shiftY;
    last[2] = turn;
    last[3] = lift;
    const chestRx = anchors.chest.rx;
    for (let row = 0, n = 0; row < this.rows; row++) {
      const y = row * CELL;
      for (let column = 0; column < this.columns; column++, n++) {
        const head = this.#head[n] as number;
        const chest = this.#chest[n] as number;
        if (head === 0 && chest === 0) continue;
        const x = column * CELL;
        const side = Math.max(-1, Math.min(1, (x - anchors.chest.x) / chestRx));
        const dx = head * (shiftX - turn * (y - anchors.pivot.y)) + chest * lift * BREATH_WIDEN * side;
        const dy = head * (shiftY + turn * (x - anchors.pivot.x)) - lift * Math.max(chest, head * HEAD_LIFT);
        // No sample may lie outside, not even at the far end of a run of pixels that share a displacement.
        const most = this.#inside(x, y) / 2;
        this.dx[n] = Math.round(limit(dx, most) * ONE);
        this.dy[n] = Math.round(limit(dy, most) * ONE);
      }
    }
    return shiftX !== 0 || shiftY !== 0 || turn !== 0 || lift !== 0;
  }

  /** Distance from the nearest cell at the border, 0 in it. */
  #inside(x: number, y: number): number {
    const { pictureWidth, pictureHeight } = this.#baked;
    return Math.max(0, Math.min(x, y, pictureWidth - x, pictureHeight - y) - CELL);
  }

  #findSpans(): Int32Array {
    const spans = new Int32Array(2 * (this.rows - 1));
    const moves = (row: number, column: number) => {
      const n = row * this.columns + column;
      return (this.#head[n] as number) > 0 || (this.#chest[n] as number) > 0;
    };
    for (let row = 0; row < this.rows - 1; row++) {
      let first = this.columns;
      let last = 0;
      for (let column = 0; column < this.columns - 1; column++) {
        const any =
          moves(row, column) || moves(row, column + 1) || moves(row + 1, column) || moves(row + 1, column + 1);
        if (!any) continue;
        first = Math.min(first, column);
        last = column + 1;
      }
      spans[2 * row] = Math.min(first, last);
      spans[2 * row + 1] = last;
    }
    return spans;
  }
}

function limit(value: number, most: number): number {
  return Number.isFinite(value) ? Math.max(-most, Math.min(most, value)) : 0;
}

/** 0 below 0, 1 above 1, with no corner between (Perlin's quintic). */
function smooth(t: number): number {
  const c = Math.max(0, Math.min(1, t));
  return c * c * c * (c * (c * 6 - 15) + 10);
}

/** Distance from the middle of an ellipse in radii. */
function reach(x: number, y: number, e: { x: number; y: number; rx: number; ry: number }): number {
  return Math.hypot((x - e.x) / e.rx, (y - e.y) / e.ry);
}
