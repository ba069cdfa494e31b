import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bakeAvatar } from '../../src/avatar/bake.js';
import { Catalogue } from '../../src/avatar/catalogue.js';
import { loadPackage } from '../../src/avatar/package.js';

const PACKAGE = {
  format: 1,
  title: 'Test',
  size: { width: 64, height: 48 },
  base: 'base.png',
  mouth: { pictures: [{ file: 'mouth.png', at: { x: 20, y: 30 }, viseme: 'aa' }] },
  anchors: { head: { x: 32, y: 20, rx: 12, ry: 14 } },
};

let root: string;
let folder: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dh-live-test-'));
  folder = join(root, 'host');
  await mkdir(folder);
  await flat('base.png', 64, 48, '#204060');
  await flat('mouth.png', 10, 6, '#ff000080');
  await write(PACKAGE);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const write = (json: unknown) => writeFile(join(folder, 'avatar.json'), JSON.stringify(json));
const flat = (file: string, width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 4, background } }).toFile(join(folder, file));

describe('loadPackage', () => {
  it('lays pictures with alpha over the base', async () => {
    const source = await loadPackage(folder);
    expect(source).toMatchObject({ name: 'host', title: 'Test' });
    expect(source.regions.mouth?.rect).toEqual({ x: 20, y: 30, width: 10, height: 6 });
    expect(source.regions.mouth?.poses.map(({ open }) => open)).toEqual([0, 0.85]);
    const view = source.view(16 / 9);
    const patch = await source.drawPatch('mouth', 1, { x: 18, y: 30, width: 6, height: 2 }, view, 64, 48);
    const pixel = (x: number) => [...patch.data.subarray(x * 3, x * 3 + 3)];
    expect(pixel(0)).toEqual([0x20, 0x40, 0x60]);
    expect(Math.abs((pixel(4)[0] ?? 0) - 0x90)).toBeLessThan(3);
    expect(Math.abs((pixel(4)[1] ?? 0) - 0x20)).toBeLessThan(3);
    const neutral = await source.drawPatch('mouth', 0, { x: 20, y: 30, width: 2, height: 2 }, view, 64, 48);
    expect([...neutral.data.subarray(0, 3)]).toEqual([0x20, 0x40, 0x60]);
  });

  it('bakes with its own aspect in the middle of the output', async () => {
    const baked = await bakeAvatar(await loadPackage(folder), { width: 320, height: 180, cacheDir: null });
    expect(baked.fit).toEqual({ x: 40, y: 0, width: 240, height: 180 });
    const [mouth] = baked.regions;
    expect(mouth?.count).toBe(2);
    expect(mouth?.rect.x).toBeGreaterThan(60);
  });

  it('makes an eye picture for every lid with every gaze', async () => {
    await flat('lid.png', 10, 4, '#804020');
    await flat('left.png', 10, 4, '#ffffff');
    await write({
      ...PACKAGE,
      lids: { pictures: [{ file: 'lid.png', at: { x: 20, y: 10 }, close: 1 }] },
      gaze: { pictures: [{ file: 'left.png', at: { x: 20, y: 10 }, x: -1 }] },
    });
    const { regions } = await loadPackage(folder);
    expect(regions.eyes?.poses).toEqual([
      { x: 0, y: 0, close: 0 },
      { x: 0, y: 0, close: 1 },
      { x: -1, y: 0, close: 0 },
      { x: -1, y: 0, close: 1 },
    ]);
  });

  it('reads an idle loop from a folder, in the order of the numbers', async () => {
    await mkdir(join(folder, 'idle'));
    for (const n of [1, 2, 10]) await flat(`idle/${n}.png`, 64, 48, `rgb(${n * 20},0,0)`);
    await write({ ...PACKAGE, base: { folder: 'idle', crossfadeFrames: 0 } });
    const baked = await bakeAvatar(await loadPackage(folder), { width: 64, height: 48, cacheDir: null });
    const luma = baked.bases.map(({ y }) => y[0] ?? 0);
    expect(luma).toHaveLength(3);
    expect(luma).toEqual([...luma].sort((a, b) => a - b));
  });

  it('changes its fingerprint with a picture', async () => {
    const { fingerprint } = await loadPackage(folder);
    expect((await loadPackage(folder)).fingerprint).toBe(fingerprint);
    await flat('mouth.png', 10, 6, '#00ff0080');
    expect((await loadPackage(folder)).fingerprint).not.toBe(fingerprint);
  });

  it.each([
    ['an unknown field', { ...PACKAGE, colour: 'red' }, /avatar\.json.*colour/s],
    ['a wrong type', { ...PACKAGE, anchors: { head: { x: 'left', y: 0, rx: 10, ry: 10 } } }, /anchors\.head\.x/],
    ['another version', { ...PACKAGE, format: 2 }, /format/],
    ['a missing picture', { ...PACKAGE, base: 'none.png' }, /none\.png, base: does not exist/],
    [
      'a wrong size',
      { ...PACKAGE, size: { width: 100, height: 48 } },
      /base\.png, base: is 64 × 48, but size says 100 × 48/,
    ],
    ['a way out', { ...PACKAGE, base: '../../etc/passwd' }, /leaves the folder/],
    ['an absolute path', { ...PACKAGE, base: '/etc/passwd' }, /leaves the folder/],
    ['a way out by backslash', { ...PACKAGE, base: '..\\..\\secret.png' }, /leaves the folder/],
    ['a folder for a picture', { ...PACKAGE, base: '.' }, /leaves the folder|is not a file/],
    [
      'viseme and pose',
      { ...PACKAGE, mouth: { pictures: [{ file: 'mouth.png', viseme: 'aa', pose: {} }] } },
      /either viseme or pose/,
    ],
    [
      'an opaque picture of everything',
      { ...PACKAGE, mouth: { pictures: [{ file: 'base.png', viseme: 'aa' }] } },
      /give mouth\.rect/,
    ],
  ])('refuses %s', async (_, json, message) => {
    await write(json);
    await expect(loadPackage(folder)).rejects.toMatchObject({
      code: 'avatar_invalid',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses text called .png, truncated pictures and links that lead out', async () => {
    await writeFile(join(folder, 'mouth.png'), 'not a picture');
    await expect(loadPackage(folder)).rejects.toMatchObject({ code: 'avatar_invalid' });
    const noise = {
      create: {
        width: 64,
        height: 64,
        channels: 3 as const,
        background: 'red',
        noise: { type: 'gaussian' as const, mean: 128, sigma: 40 },
      },
    };
    const whole = await sharp(noise).png().toBuffer();
    await writeFile(join(folder, 'mouth.png'), whole.subarray(0, whole.length >> 1));
    await expect(loadPackage(folder)).rejects.toMatchObject({ code: 'avatar_invalid' });
    await writeFile(join(root, 'outside.png'), whole);
    await rm(join(folder, 'mouth.png'));
    await symlink(join(root, 'outside.png'), join(folder, 'mouth.png'));
    await expect(loadPackage(folder)).rejects.toMatchObject({
      code: 'avatar_invalid',
      message: expect.stringContaining('leaves') as string,
    });
  });

  it('refuses JSON that is none', async () => {
    await writeFile(join(folder, 'avatar.json'), '{');
    await expect(loadPackage(folder)).rejects.toMatchObject({ code: 'avatar_invalid' });
    await expect(loadPackage(join(root, 'nobody'))).rejects.toMatchObject({ code: 'avatar_not_found' });
  });

  it('loads the example that ships', async () => {
    const source = await new Catalogue(['avatars']).load('robot');
    expect(source.regions.mouth?.poses).toHaveLength(18);
    expect(source.regions.eyes?.poses).toHaveLength(15);
  });
});

describe('Catalogue', () => {
  it('lists the built-in avatar and valid packages', async () => {
    await mkdir(join(root, 'broken'));
    await writeFile(join(root, 'broken', 'avatar.json'), '[]');
    expect(await new Catalogue([root, join(root, 'none')]).list()).toEqual([
      { name: 'presenter', title: 'Presenter', builtIn: true },
      { name: 'host', title: 'Test', builtIn: false },
    ]);
  });

  it.each([
    '../host',
    '..',
    '.',
    '',
    'host/',
    '/etc',
    'a\0b',
    'HOST ',
    'no-such',
    '../../etc',
    'x'.repeat(65),
    '__proto__',
  ])('does not find %j', async (name) => {
    await expect(new Catalogue([root]).resolve(name)).rejects.toMatchObject({ code: 'avatar_not_found' });
    await expect(new Catalogue([root]).load(name)).rejects.toMatchObject({ code: 'avatar_not_found' });
  });

  it('does not follow a link out of its folder', async () => {
    const inner = join(root, 'avatars');
    await mkdir(inner);
    await symlink(folder, join(inner, 'linked'));
    await expect(new Catalogue([inner]).resolve('linked')).rejects.toMatchObject({ code: 'avatar_not_found' });
  });
});
