import { beforeAll, describe, expect, it, vi } from 'vitest';
import { presenter } from '../../src/avatar/presenter/index.js';
import {
  REGIONS,
  type Rect,
  type RegionKeys,
  type RegionName,
  type RegionSpec,
  type RgbPicture,
} from '../../src/avatar/source.js';
import { neutralFace, neutralMouth, type MouthPose } from '../../src/units.js';

const SIZE = 300;
const VIEW = presenter.view(1);
const SCALE = SIZE / VIEW.width;
const SLOW_MS = 120_000;

function specOf<R extends RegionName>(region: R): RegionSpec<RegionKeys[R]> {
  const spec = presenter.regions[region];
  if (!spec) throw new Error(`the presenter has no ${region}`);
  return spec;
}

function pixelsOf({ x, y, width, height }: Rect): Rect {
  const [left, top] = [Math.floor((x - VIEW.x) * SCALE), Math.floor((y - VIEW.y) * SCALE)];
  const [right, bottom] = [Math.ceil((x + width - VIEW.x) * SCALE), Math.ceil((y + height - VIEW.y) * SCALE)];
  return { x: left, y: top, width: right - left, height: bottom - top };
}

const patch = (region: RegionName, index: number, from = presenter): Promise<RgbPicture> =>
  from.drawPatch(region, index, pixelsOf(specOf(region).rect), VIEW, SIZE, SIZE);

const mouthOf = (part: Partial<MouthPose>): number => {
  const index = specOf('mouth').poses.findIndex((pose) =>
    Object.entries(part).every(([key, value]) => pose[key as keyof MouthPose] === value),
  );
  expect(index).toBeGreaterThanOrEqual(0);
  return index;
};

/** Pixels for which `test` holds. */
function count({ data }: RgbPicture, test: (r: number, g: number, b: number) => boolean): number {
  let n = 0;
  for (let i = 0; i < data.length; i += 3) if (test(data[i]!, data[i + 1]!, data[i + 2]!)) n++;
  return n;
}

/** The middle of a picture, without the hair and the neck at its sides. */
function middleOf(picture: RgbPicture, from: number, to: number): RgbPicture {
  const [top, bottom] = [Math.round(picture.height * from), Math.round(picture.height * to)];
  const [left, right] = [Math.round(picture.width * 0.3), Math.round(picture.width * 0.7)];
  const data: number[] = [];
  for (let y = top; y < bottom; y++) {
    data.push(...picture.data.subarray((y * picture.width + left) * 3, (y * picture.width + right) * 3));
  }
  return { data: Uint8Array.from(data), width: right - left, height: bottom - top };
}

/** Greatest difference from the base, on the border of a patch or everywhere. */
function difference(picture: RgbPicture, base: RgbPicture, at: Rect, borderOnly: boolean): number {
  let worst = 0;
  for (let y = 0; y < at.height; y++) {
    for (let x = 0; x < at.width; x++) {
      const border = x === 0 || y === 0 || x === at.width - 1 || y === at.height - 1;
      if (borderOnly && !border) continue;
      for (let c = 0; c < 3; c++) {
        const shown = picture.data[(y * at.width + x) * 3 + c]!;
        worst = Math.max(worst, Math.abs(shown - base.data[((y + at.y) * base.width + x + at.x) * 3 + c]!));
      }
    }
  }
  return worst;
}

describe('the presenter', () => {
  let base: RgbPicture;
  beforeAll(async () => {
    base = await presenter.drawBase(VIEW, SIZE, SIZE);
  }, SLOW_MS);

  it('fills the picture', () => {
    expect(base.data).toHaveLength(SIZE * SIZE * 3);
    const corner = (x: number, y: number) => base.data.subarray((y * SIZE + x) * 3, (y * SIZE + x) * 3 + 3);
    for (const at of [corner(0, 0), corner(SIZE - 1, 0), corner(0, SIZE - 1), corner(SIZE - 1, SIZE - 1)]) {
      expect(Math.max(...at)).toBeGreaterThan(5);
    }
  });

  it('draws the base when it is at rest', { timeout: SLOW_MS }, async () => {
    for (const region of REGIONS) {
      expect(specOf(region).poses[0]).toEqual(region === 'mouth' ? neutralMouth() : neutralFace()[region]);
      expect(difference(await patch(region, 0), base, pixelsOf(specOf(region).rect), false)).toBeLessThanOrEqual(6);
    }
  });

  it('meets the base at the border of every patch', { timeout: SLOW_MS }, async () => {
    for (const region of REGIONS) {
      const { rect, poses } = specOf(region);
      for (let index = 1; index < poses.length; index += region === 'brows' ? 1 : 5) {
        const drawn = await patch(region, index);
        expect(difference(drawn, base, pixelsOf(rect), true), `${region} ${index}`).toBeLessThanOrEqual(6);
        expect(difference(drawn, base, pixelsOf(rect), false), `${region} ${index}`).toBeGreaterThan(6);
      }
    }
  });

  it('opens the mouth as far as it is told', { timeout: SLOW_MS }, async () => {
    const dark: number[] = [];
    for (const open of [0, 0.27, 0.5, 0.95]) {
      const drawn = await patch('mouth', mouthOf({ open, width: 0, round: 0, press: 0, tuck: 0, tongue: 0 }));
      dark.push(count(middleOf(drawn, 0.12, 0.45), (r, g, b) => r < 110 && g < 50 && b < 55));
    }
    expect(dark[0]).toBeLessThan(60);
    for (let i = 1; i < dark.length; i++) expect(dark[i]).toBeGreaterThan(dark[i - 1]! + 10);
  });

  it('hides the red of the lips when they are pressed', { timeout: SLOW_MS }, async () => {
    const red = (picture: RgbPicture) => count(middleOf(picture, 0.12, 0.45), (r, g) => r - g > 72);
    const pressed = red(await patch('mouth', mouthOf({ press: 1 })));
    expect(pressed).toBeLessThan(0.75 * red(await patch('mouth', 0)));
    expect(pressed).toBeGreaterThan(0);
  });

  it('turns the pupils with the gaze, and shuts the eyes', { timeout: SLOW_MS }, async () => {
    const { poses, rect } = specOf('eyes');
    // Nothing but the eyes, two pixels to the unit.
    const [width, height] = [rect.width * 2, rect.height * 2];
    const eyesAt = (x: number, close: number) => {
      const index = poses.findIndex((pose) => pose.x === x && pose.y === 0 && pose.close === close);
      return presenter.drawPatch('eyes', index, { x: 0, y: 0, width, height }, rect, width, height);
    };
    const middle = (picture: RgbPicture): number => {
      let [sum, n] = [0, 0];
      for (let i = 0; i < picture.data.length; i += 3) {
        const [r, g, b] = [picture.data[i]!, picture.data[i + 1]!, picture.data[i + 2]!];
        // The green of the iris is nowhere else in the face.
        if (!(r < 150 && g > b + 24 && g > 0.8 * r)) continue;
        sum += (i / 3) % picture.width;
        n++;
      }
      expect(n).toBeGreaterThan(100);
      return sum / n;
    };
    const [left, straight, right] = [await eyesAt(-1, 0), await eyesAt(0, 0), await eyesAt(1, 0)];
    expect(middle(straight) - middle(left)).toBeGreaterThan(5);
    expect(middle(right) - middle(straight)).toBeGreaterThan(5);
    const white = (picture: RgbPicture) => count(picture, (r, _g, b) => r > 200 && r - b < 30);
    expect(white(await eyesAt(0, 1))).toBeLessThan(0.4 * white(straight));
  });

  it('is the same picture after every start', { timeout: SLOW_MS }, async () => {
    vi.resetModules();
    const { presenter: again } = await import('../../src/avatar/presenter/index.js');
    expect(again).not.toBe(presenter);
    expect(again.fingerprint).toBe(presenter.fingerprint);
    const index = mouthOf({ open: 0.5, round: 0.4 });
    expect(await patch('mouth', index, again)).toEqual(await patch('mouth', index));
  });

  it('refuses a pose that it does not have', async () => {
    await expect(patch('brows', specOf('brows').poses.length)).rejects.toThrow(RangeError);
  });
});
