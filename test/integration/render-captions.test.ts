import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bakeAvatar } from '../../src/avatar/bake.js';
import type { RenderSettings } from '../../src/render/render-settings.js';
import { decodeFile } from '../support/decode-media.js';
import { fromRow, RenderTestTools, settings, startCli, writeClips } from '../support/render-fixture.js';
import { syntheticAvatar } from '../support/synthetic-avatar.js';

const WIDTH = 640;
const HEIGHT = 360;
/** Luma above which a pixel is of a letter: nothing else in these pictures is as bright. */
const WHITE = 200;
/** Captions are drawn below this row. */
const LOWER = Math.round(HEIGHT * 0.7);
/** What a clip says; null: it has no text. All clips are a second long. */
const TEXTS = ['Guten Morgen', null, 'A EEE II OO UUU', 'À ÉÈÊ ÎÏ ÔÖ ÙÛÜ', 'Καλημέρα κόσμε', null];

const kit = new RenderTestTools();
let folder: string;
let image: string;
let rows: object[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-captions-'));
  image = join(folder, 'grey.png');
  await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#6a6a6a' } })
    .png()
    .toFile(image);
  writeClips(
    folder,
    TEXTS.map(() => 48_000),
  );
  rows = TEXTS.map((text, i) => ({ file: join(folder, `${i + 1}.wav`), ...(text === null ? {} : { text }) }));
});
afterAll(async () => {
  await kit.close();
  await rm(folder, { recursive: true, force: true });
});

interface Seen {
  /** Bright pixels in the part of the picture where captions are, and above it. */
  lower: number;
  upper: number;
  luma: Uint8Array;
}

/** The picture in the middle of each second of a video. */
function middles(path: string): Seen[] {
  const seen: Seen[] = [];
  decodeFile(path, (kind, frame, timeS) => {
    if (kind !== 'video' || Math.round(timeS * 25) % 25 !== 12) return;
    const luma = new Uint8Array(WIDTH * HEIGHT);
    for (let y = 0; y < HEIGHT; y++) {
      const from = y * frame.linesize[0]!;
      luma.set(frame.data![0]!.subarray(from, from + WIDTH), y * WIDTH);
    }
    const bright = (from: number, to: number) =>
      luma.subarray(from * WIDTH, to * WIDTH).filter((v) => v > WHITE).length;
    seen.push({ lower: bright(LOWER, HEIGHT), upper: bright(0, LOWER), luma });
  });
  return seen;
}

/** How many pixels below the line are clearly others in two pictures. */
function differs(a: Seen, b: Seen): number {
  const from = LOWER * WIDTH;
  return a.luma.subarray(from).filter((value, i) => Math.abs(value - b.luma[from + i]!) > 50).length;
}

async function render(name: string, over: Partial<RenderSettings>, clips = rows): Promise<string> {
  const wanted = settings(
    folder,
    clips.map((row) => fromRow(row, folder, 'a row')),
    { outputFolder: join(folder, name), project: name, subtitles: { srt: false, burn: true }, ...over },
  );
  const result = await kit.run(
    { ...wanted, output: { ...wanted.output, width: WIDTH, height: HEIGHT } },
    {
      bake: async () => {
        const { blob } = await bakeAvatar(syntheticAvatar(), { width: WIDTH, height: HEIGHT, cacheDir: folder });
        await writeFile(join(folder, 'synthetic.baked'), blob);
        return join(folder, 'synthetic.baked');
      },
    },
  );
  return join(folder, name, result!.parts[0]!.file);
}

/** Each clip with a text has it in its picture, and no other. */
function expectCaptions(seen: Seen[], clean: Seen): void {
  expect(seen).toHaveLength(TEXTS.length);
  for (const [i, text] of TEXTS.entries()) {
    expect(seen[i]!.upper, `${text}`).toBe(0);
    if (text === null) {
      expect(seen[i]!.lower).toBe(0);
      expect(differs(seen[i]!, clean)).toBe(0);
    } else {
      // Ten bright pixels a letter at least, in letters of 14 pixels, and a dark edge around them.
      expect(seen[i]!.lower, text).toBeGreaterThan(10 * text.length);
      expect(differs(seen[i]!, clean), text).toBeGreaterThan(1.5 * seen[i]!.lower);
    }
  }
  // The texts differ, and accents are drawn: letters that are alike but for them.
  expect(differs(seen[0]!, seen[4]!)).toBeGreaterThan(200);
  expect(differs(seen[3]!, seen[2]!)).toBeGreaterThan(30);
}

test('texts are seen while their clips are heard, over a still picture', async () => {
  const seen = middles(await render('still', { image }));
  expectCaptions(seen, seen[1]!);
  const without = middles(await render('bare', { image, subtitles: { srt: true, burn: false } }));
  for (const { lower, upper } of without) expect([lower, upper]).toEqual([0, 0]);
});

test('and in WebM', async () => {
  const wanted = settings(folder, []).output;
  const seen = middles(await render('web', { image, output: { ...wanted, format: 'webm' } }, rows.slice(0, 2)));
  expect(seen[0]!.lower).toBeGreaterThan(100);
  expect(seen[1]!.lower).toBe(0);
});

test('and below an avatar', async () => {
  const bare = middles(await render('alone', { avatar: 'synthetic', subtitles: { srt: false, burn: false } }));
  const seen = middles(await render('avatar', { avatar: 'synthetic' }));
  for (const [i, text] of TEXTS.entries()) {
    const more = seen[i]!.lower - bare[i]!.lower;
    if (text === null) expect(Math.abs(more)).toBeLessThan(10);
    else expect(more, text).toBeGreaterThan(10 * text.length);
    expect(Math.abs(seen[i]!.upper - bare[i]!.upper)).toBeLessThan(10);
  }
});

test('the command draws them with --subtitles burn, and writes no file beside', { timeout: 60_000 }, async () => {
  await writeFile(join(folder, 'list.json'), JSON.stringify(rows.slice(0, 2)));
  const out = join(folder, 'cli');
  const size = `${WIDTH}x${HEIGHT}`;
  const { ended } = startCli(
    ['render', 'list.json', '-o', out, '--image', image, '--size', size, '--subtitles', 'burn'],
    folder,
  );
  expect(await ended).toMatchObject({ code: 0 });
  const seen = middles(join(out, 'part-001.mp4'));
  expect(seen[0]!.lower).toBeGreaterThan(100);
  expect(seen[1]!.lower).toBe(0);
  await expect(readFile(join(out, 'part-001.srt'))).rejects.toMatchObject({ code: 'ENOENT' });
});
