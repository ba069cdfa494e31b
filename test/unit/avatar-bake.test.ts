import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bakeAvatar, fitPicture, loopPlan, type LoopSource } from '../../src/avatar/bake.js';
import { rgbToI420 } from '../../src/avatar/bake-colour.js';
import { loadBaked, openBaked } from '../../src/avatar/baked.js';
import { syntheticAvatar } from '../support/synthetic-avatar.js';

const SIZE = { width: 320, height: 180 };
let cacheDir: string;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'dh-live-test-'));
});
afterEach(() => rm(cacheDir, { recursive: true, force: true }));

async function cacheFile(): Promise<string> {
  const names = await readdir(cacheDir);
  expect(names).toHaveLength(1);
  return join(cacheDir, names[0] ?? '');
}

describe('bakeAvatar', () => {
  it('comes back from the cache as it went in, without a drawing', async () => {
    const first = syntheticAvatar();
    const baked = await bakeAvatar(first, { ...SIZE, cacheDir });
    const again = syntheticAvatar();
    const cached = await bakeAvatar(again, { ...SIZE, cacheDir });
    expect(first.drawings).toBe(1 + 5 + 9 + 3);
    expect(again.drawings).toBe(0);
    expect(Buffer.compare(cached.blob, baked.blob)).toBe(0);
    expect(cached.regions.map(({ name, rect, count }) => ({ name, rect, count }))).toEqual(
      baked.regions.map(({ name, rect, count }) => ({ name, rect, count })),
    );
    const loaded = await loadBaked(await cacheFile());
    expect(loaded.bytes).toBe(baked.bytes);
    expect(loaded.bases[0]?.y).toEqual(baked.bases[0]?.y);
  });

  it.each([
    ['truncated', async (path: string) => truncate(path, 1000)],
    ['empty', async (path: string) => truncate(path, 0)],
    [
      'changed in one byte',
      async (path: string) => {
        const data = await readFile(path);
        const at = data.length - 77;
        data[at] = (data[at] ?? 0) ^ 1;
        await writeFile(path, data);
      },
    ],
  ])('draws anew when the cache file is %s', async (_, damage) => {
    const baked = await bakeAvatar(syntheticAvatar(), { ...SIZE, cacheDir });
    await damage(await cacheFile());
    await expect(loadBaked(await cacheFile())).rejects.toMatchObject({ code: 'avatar_invalid' });
    const source = syntheticAvatar();
    const again = await bakeAvatar(source, { ...SIZE, cacheDir });
    expect(source.drawings).toBeGreaterThan(0);
    expect(Buffer.compare(again.blob, baked.blob)).toBe(0);
    await expect(loadBaked(await cacheFile())).resolves.toMatchObject({ name: 'synthetic' });
  });

  it('draws anew for another fingerprint, and keeps the newest four files: sessions may still show them', async () => {
    const baked: string[] = [];
    for (let edit = 1; edit <= 6; edit++) {
      const source = syntheticAvatar({ fingerprint: `${edit}` });
      await bakeAvatar(source, { ...SIZE, cacheDir });
      expect(source.drawings).toBeGreaterThan(0);
      const [name = ''] = (await readdir(cacheDir)).filter((each) => !baked.includes(each));
      baked.push(name);
      await utimes(join(cacheDir, name), edit, edit);
    }
    expect((await readdir(cacheDir)).sort()).toEqual(baked.slice(2).sort());
  });

  it('does without a cache that cannot be written', async () => {
    const file = join(cacheDir, 'not-a-folder');
    await writeFile(file, '');
    await expect(bakeAvatar(syntheticAvatar(), { ...SIZE, cacheDir: file })).resolves.toMatchObject({
      pictureWidth: 320,
    });
  });

  it('keeps only what differs from the base, on even pixels', async () => {
    const { regions } = await bakeAvatar(syntheticAvatar(), { ...SIZE, cacheDir: null });
    const mouth = regions.find(({ name }) => name === 'mouth');
    expect(mouth?.rect).toEqual({ x: 144, y: 74, width: 32, height: 22 });
    expect(mouth?.patchBytes).toBe((32 * 22 * 3) / 2);
    const still = syntheticAvatar();
    const same = syntheticAvatar({ drawPatch: async (_r, _i, at) => still.drawPatch('mouth', 0, at, at, 0, 0) });
    expect((await bakeAvatar(same, { ...SIZE, cacheDir: null })).regions).toEqual([]);
  });

  it('tells its progress and can be stopped', async () => {
    const seen: number[] = [];
    const abort = new AbortController();
    const onProgress = (done: number, total: number) => {
      expect(total).toBe(18);
      seen.push(done);
      if (done === 4) abort.abort(new Error('enough'));
    };
    const source = syntheticAvatar();
    const run = bakeAvatar(source, { ...SIZE, cacheDir: null, onProgress, signal: abort.signal });
    await expect(run).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(source.drawings).toBeLessThan(8);
  });

  it('refuses odd sizes', async () => {
    await expect(bakeAvatar(syntheticAvatar(), { width: 321, height: 180, cacheDir: null })).rejects.toThrow(
      RangeError,
    );
  });

  it('bakes a loop whose end fades into its beginning', async () => {
    const grey = (value: number, width: number, height: number) => ({
      data: new Uint8Array(width * height * 3).fill(value),
      width,
      height,
    });
    const source: LoopSource = {
      ...syntheticAvatar({ regions: {}, drawBase: async (_v, w, h) => grey(0, w, h) }),
      idle: { count: 10, crossfadeFrames: 2 },
      drawIdle: async (index, _v, w, h) => grey(index * 20, w, h),
    };
    const { bases } = await bakeAvatar(source, { ...SIZE, cacheDir: null });
    const luma = bases.map(({ y }) => Math.round((((y[0] ?? 0) - 16) * 255) / 219));
    expect(luma).toHaveLength(8);
    expect(luma.slice(2)).toEqual([40, 60, 80, 100, 120, 140].map((value) => expect.closeTo(value, -0.5) as number));
    // 160 and 180 come after the end and fade into 0 and 20.
    expect(Math.abs((luma[0] ?? 0) - 107)).toBeLessThan(3);
    expect(Math.abs((luma[1] ?? 0) - 73)).toBeLessThan(3);
  });
});

describe('openBaked', () => {
  it('refuses whatever is not a baked avatar', () => {
    expect(openBaked(new Uint8Array(0))).toBeNull();
    expect(openBaked(new Uint8Array(4096))).toBeNull();
  });
});

describe('fitPicture', () => {
  it.each([
    [
      { width: 16, height: 9 },
      { x: 0, y: 0, width: 1280, height: 720 },
    ],
    [
      { width: 1, height: 1 },
      { x: 280, y: 0, width: 720, height: 720 },
    ],
    [
      { width: 9, height: 16 },
      { x: 436, y: 0, width: 406, height: 720 },
    ],
    [
      { width: 4, height: 1 },
      { x: 0, y: 200, width: 1280, height: 320 },
    ],
  ])('puts %o into 1280 × 720', (view, rect) => {
    expect(fitPicture({ x: 0, y: 0, ...view }, 1280, 720)).toEqual(rect);
  });
});

describe('loopPlan', () => {
  it('never fades more than a third of the loop', () => {
    expect(loopPlan(6, 50)).toHaveLength(4);
    expect(loopPlan(2, 50).every(({ from }) => from === null)).toBe(true);
  });
});

describe('rgbToI420', () => {
  it.each([
    ['black', [0, 0, 0], [16, 128, 128]],
    ['white', [255, 255, 255], [235, 128, 128]],
    ['red', [255, 0, 0], [63, 102, 240]],
    ['green', [0, 255, 0], [173, 42, 26]],
    ['blue', [0, 0, 255], [32, 240, 118]],
  ])('converts %s by BT.709', (_, rgb, yuv) => {
    const out = { y: new Uint8Array(4), u: new Uint8Array(1), v: new Uint8Array(1), strideY: 2, strideUV: 1 };
    rgbToI420({ data: Uint8Array.from([...rgb, ...rgb, ...rgb, ...rgb]), width: 2, height: 2 }, out);
    expect([out.y[0], out.u[0], out.v[0]]).toEqual(yuv);
  });
});
