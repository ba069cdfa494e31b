import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bakeAvatar } from '../../src/avatar/bake.js';
import type { RenderSettings } from '../../src/render/render-settings.js';
import { decodeFile } from '../support/decode-media.js';
import { hashOfFile, readClipList, RenderTestTools, settings, writeClips } from '../support/render-fixture.js';
import { syntheticAvatar } from '../support/synthetic-avatar.js';

const WIDTH = 640;
const HEIGHT = 360;
const MOUTH = { x: 290, y: 150, width: 60, height: 40 };

const kit = new RenderTestTools();
let folder: string;
let baked: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-avatar-'));
  baked = join(folder, 'synthetic.baked');
  await writeFile(
    baked,
    (await bakeAvatar(syntheticAvatar(), { width: WIDTH, height: HEIGHT, cacheDir: folder })).blob,
  );
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true, force: true });
});

async function spoken(name: string, lines: string, over: Partial<RenderSettings> = {}): Promise<RenderSettings> {
  const script = join(folder, `${name}.txt`);
  await writeFile(script, lines);
  const wanted = settings(folder, await readClipList(script), {
    avatar: 'synthetic',
    outputFolder: join(folder, name),
    project: name,
    ...over,
  });
  return { ...wanted, output: { ...wanted.output, width: WIDTH, height: HEIGHT } };
}

const bake = () => Promise.resolve(baked);

/** How much each picture differs from the one before, within a rectangle (mean of luma). */
function changes(path: string, rect: typeof MOUTH): number[] {
  const found: number[] = [];
  let before: Uint8Array | null = null;
  decodeFile(path, (kind, frame) => {
    if (kind !== 'video') return;
    const plane = frame.data![0]!;
    const now = new Uint8Array(rect.width * rect.height);
    for (let row = 0; row < rect.height; row++) {
      const from = (rect.y + row) * frame.linesize[0]! + rect.x;
      now.set(plane.subarray(from, from + rect.width), row * rect.width);
    }
    if (before) found.push(now.reduce((sum, value, i) => sum + Math.abs(value - before![i]!), 0) / now.length);
    before = now;
  });
  return found;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('the mouth moves while it is heard, and rests in pauses', async () => {
  const result = await kit.run(
    await spoken('speaks', 'Mama and papa baked apple pie.\nBob made a map.', { gapMs: 2000 }),
    {
      bake,
    },
  );
  const file = join(folder, 'speaks', result!.parts[0]!.file);
  const moved = changes(file, MOUTH);
  const index = JSON.parse(await readFile(join(folder, 'speaks', 'index.json'), 'utf8')) as {
    clips: { startS: number; durationS: number }[];
  };
  // The pause, without the time in which the mouth closes.
  const endOfFirst = Math.round(index.clips[0]!.durationS * 25);
  const startOfSecond = Math.round(index.clips[1]!.startS * 25);
  expect(mean(moved.slice(3, endOfFirst - 3))).toBeGreaterThan(1);
  expect(mean(moved.slice(endOfFirst + 10, startOfSecond - 5))).toBeLessThan(mean(moved.slice(3, endOfFirst - 3)) / 4);
});

test(
  'parts are made alike by one process or several, and the face does not jump between them',
  { timeout: 60_000 },
  async () => {
    const lines = 'One two three four five.\nSix seven eight nine ten.\nEleven and twelve and more.';
    const split = { everySamples: 48_000, exact: false };
    const alone = await kit.run(await spoken('alone', lines, { split, jobs: 1, full: true }), { bake });
    const abreast = await kit.run(await spoken('abreast', lines, { split, jobs: 2, full: true }), { bake });
    expect(alone!.parts).toHaveLength(3);
    for (const { file } of alone!.parts) {
      expect(hashOfFile(join(folder, 'abreast', file))).toBe(hashOfFile(join(folder, 'alone', file)));
    }
    expect(abreast!.parts).toEqual(alone!.parts);
    // The whole picture, at the cuts, against any other two pictures.
    const moved = changes(join(folder, 'alone', 'full.mp4'), { x: 0, y: 0, width: WIDTH, height: HEIGHT });
    let at = 0;
    for (const { durationS } of alone!.parts.slice(0, -1)) {
      at += Math.round(durationS * 25);
      expect(moved[at - 1]).toBeLessThan(Math.max(...moved.slice(0, at - 1), 1));
    }
  },
);

test('sound without a text moves the mouth, too', async () => {
  writeClips(join(folder, 'tones'), [96_000]);
  const clips = await readClipList(join(folder, 'tones'));
  const wanted = settings(folder, clips, {
    avatar: 'synthetic',
    outputFolder: join(folder, 'sound'),
    project: 'sound',
  });
  await kit.run({ ...wanted, output: { ...wanted.output, width: WIDTH, height: HEIGHT } }, { bake });
  expect(Math.max(...changes(join(folder, 'sound', 'part-001.mp4'), MOUTH))).toBeGreaterThan(1);
});
