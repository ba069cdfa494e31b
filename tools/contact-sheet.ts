/**
 * Draws every patch of an avatar in its place, as one sheet: `npx tsx tools/contact-sheet.ts --avatar-out sheet.png`.
 * Uses nothing but the public interface of an avatar source.
 */

import { Command } from 'commander';
import sharp from 'sharp';
import { presenter } from '../src/avatar/presenter/index.js';
import { REGIONS, type AvatarSource, type Rect, type RegionName, type RgbPicture } from '../src/avatar/source.js';

const COLUMNS = 8;
const LABEL_PX = 16;

interface Tile {
  label: string;
  picture: RgbPicture;
}

/** The rectangle of a region in pixels of a picture of `view`, whole pixels outwards. */
function pixelsOf(rect: Rect, view: Rect, width: number, height: number): Rect {
  const [sx, sy] = [width / view.width, height / view.height];
  const x = Math.max(0, Math.floor((rect.x - view.x) * sx));
  const y = Math.max(0, Math.floor((rect.y - view.y) * sy));
  const right = Math.min(width, Math.ceil((rect.x + rect.width - view.x) * sx));
  const bottom = Math.min(height, Math.ceil((rect.y + rect.height - view.y) * sy));
  return { x, y, width: right - x, height: bottom - y };
}

/** A copy of `base` with `patch` at its place. */
function inPlace(base: RgbPicture, patch: RgbPicture, at: Rect): RgbPicture {
  const data = base.data.slice();
  for (let row = 0; row < at.height; row++) {
    const line = patch.data.subarray(row * at.width * 3, (row + 1) * at.width * 3);
    data.set(line, ((at.y + row) * base.width + at.x) * 3);
  }
  return { ...base, data };
}

/** The pose in few words: what differs from zero. */
const describe = (pose: object): string =>
  Object.entries(pose as Record<string, number>)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name.slice(0, 2)}${Math.round(value * 100)}`)
    .join(' ') || 'rest';

async function tilesOf(
  avatar: AvatarSource,
  region: RegionName,
  base: RgbPicture,
  view: Rect,
  head: Rect,
): Promise<Tile[]> {
  const spec = avatar.regions[region];
  if (!spec) return [];
  const { width, height } = base;
  const at = pixelsOf(spec.rect, view, width, height);
  const tiles: Tile[] = [];
  for (const [index, pose] of spec.poses.entries()) {
    const patch = await avatar.drawPatch(region, index, at, view, width, height);
    tiles.push({
      label: `${region} ${index}: ${describe(pose)}`,
      picture: await cropped(inPlace(base, patch, at), head),
    });
  }
  return tiles;
}

async function cropped({ data, width, height }: RgbPicture, head: Rect): Promise<RgbPicture> {
  const { data: cut } = await sharp(data, { raw: { width, height, channels: 3 } })
    .extract({ left: head.x, top: head.y, width: head.width, height: head.height })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: cut, width: head.width, height: head.height };
}

async function sheetOf(avatar: AvatarSource, size: number): Promise<Buffer> {
  const view = avatar.view(1);
  const base = await avatar.drawBase(view, size, size);
  const { head } = avatar.anchors;
  const around = { x: head.x - head.rx, y: head.y - head.ry, width: 2 * head.rx, height: 2 * head.ry };
  const crop = pixelsOf(around, view, size, size);
  const rows: Tile[][] = [];
  for (const region of REGIONS) {
    const tiles = await tilesOf(avatar, region, base, view, crop);
    for (let i = 0; i < tiles.length; i += COLUMNS) rows.push(tiles.slice(i, i + COLUMNS));
  }
  const row = crop.height + LABEL_PX;
  const layers = rows.flatMap((tiles, j) =>
    tiles.flatMap(({ label, picture }, i) => {
      const [left, top] = [i * crop.width, j * row];
      const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${crop.width}" height="${LABEL_PX}"><text x="4" y="12" font-family="sans-serif" font-size="11" fill="#ddd">${label}</text></svg>`;
      return [
        {
          input: Buffer.from(picture.data),
          raw: { width: crop.width, height: crop.height, channels: 3 as const },
          left,
          top,
        },
        { input: Buffer.from(text), left, top: top + crop.height },
      ];
    }),
  );
  return sharp({
    create: { width: COLUMNS * crop.width, height: rows.length * row, channels: 3, background: '#222' },
  })
    .composite(layers)
    .png()
    .toBuffer();
}

const options = new Command('contact-sheet')
  .description('draw every patch of the built-in presenter in its place')
  .option('--avatar-out <file>', 'where to write the PNG', 'contact-sheet.png')
  .option('--size <pixels>', 'width and height of the picture that the patches are drawn for', '512')
  .parse()
  .opts<{ avatarOut: string; size: string }>();

const size = Number(options.size);
if (!Number.isInteger(size) || size < 64 || size > 2048) throw new RangeError('--size is 64 to 2048 pixels');
await sharp(await sheetOf(presenter, size)).toFile(options.avatarOut);
console.log(`${presenter.title} (${presenter.fingerprint}): ${options.avatarOut}`);
