import type { AvatarSource, Rect, RegionKeys, RegionName, RgbPicture } from '../../src/avatar/source.js';
import { neutralMouth } from '../../src/units.js';

const CANVAS = { x: 0, y: 0, width: 640, height: 360 };

/** A source whose pixels are known: a smooth pattern, over which pose `k` of a region paints one colour of its own. */
export function syntheticAvatar(overrides: Partial<AvatarSource> = {}): AvatarSource & { drawings: number } {
  const mouths: RegionKeys['mouth'][] = [0, 0.25, 0.5, 0.75, 1].map((open) => ({ ...neutralMouth(), open }));
  const source = {
    name: 'synthetic',
    title: 'Synthetic',
    fingerprint: '1',
    anchors: {
      head: { x: 320, y: 120, rx: 75, ry: 100 },
      pivot: { x: 320, y: 235 },
      chest: { x: 320, y: 320, rx: 180, ry: 90 },
    },
    regions: {
      mouth: { rect: { x: 290, y: 150, width: 60, height: 40 }, poses: mouths },
      eyes: {
        rect: { x: 280, y: 100, width: 80, height: 20 },
        poses: [0, 0.5, 1].flatMap((close) => [0, -1, 1].map((x) => ({ x, y: 0, close }))),
      },
      brows: {
        rect: { x: 280, y: 90, width: 80, height: 14 },
        poses: [
          { raise: 0, frown: 0 },
          { raise: 1, frown: 0 },
          { raise: 0, frown: 1 },
        ],
      },
    },
    drawings: 0,
    view: () => CANVAS,
    async drawBase(_view: Rect, width: number, height: number): Promise<RgbPicture> {
      source.drawings++;
      return pattern({ x: 0, y: 0, width, height });
    },
    async drawPatch(region: RegionName, index: number, at: Rect): Promise<RgbPicture> {
      source.drawings++;
      const picture = pattern(at);
      if (index === 0) return picture;
      for (let i = 0; i < picture.data.length; i++) picture.data[i] = paint(region, index, i % 3);
      return picture;
    },
    ...overrides,
  };
  return source;
}

/** The grey value that pose `index` of a region paints. */
export function paint(region: RegionName, index: number, channel = 0): number {
  return (region.length * 17 + index * 23 + channel * 5) % 256;
}

function pattern(at: Rect): RgbPicture {
  const data = new Uint8Array(at.width * at.height * 3);
  for (let j = 0, p = 0; j < at.height; j++) {
    for (let i = 0; i < at.width; i++, p += 3) {
      const x = at.x + i;
      const y = at.y + j;
      data[p] = 128 + Math.round(100 * Math.sin(x / 9) * Math.cos(y / 11));
      data[p + 1] = (x + y) % 256 > 127 ? 255 - ((x + y) % 256) : (x + y) % 256;
      data[p + 2] = 60 + Math.round(40 * Math.cos((x - y) / 17));
    }
  }
  return { data, width: at.width, height: at.height };
}
