import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { readClipList, RenderTestTools, settings, writeClips } from '../support/render-fixture.js';

const kit = new RenderTestTools();
afterAll(() => kit.close());

interface Seen {
  error: string | null;
  duration: number;
  /** Brightness of the middle at each of the times. */
  levels: number[];
  ended: boolean;
}

test.each(['mp4', 'webm'] as const)(
  'a browser plays a rendered %s, seeks in it and sees the right pictures',
  async (format) => {
    const folder = await mkdtemp(join(tmpdir(), 'render-chromium-'));
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--allow-file-access-from-files',
        '--disable-gpu',
        '--disable-background-networking',
        '--autoplay-policy=no-user-gesture-required',
      ],
    });
    try {
      writeClips(join(folder, 'clips'), [300_000, 100_000, 150_000]);
      const clips = await readClipList(join(folder, 'clips'));
      for (const [i, clip] of clips.entries()) {
        clip.image = join(folder, `${i}.png`);
        const background = { r: 60 + 80 * i, g: 60 + 80 * i, b: 60 + 80 * i };
        await sharp({ create: { width: 64, height: 36, channels: 3, background } })
          .png()
          .toFile(clip.image);
      }
      const wanted = settings(folder, clips, { full: true, split: { everySamples: 300_000, exact: false } });
      await kit.run({ ...wanted, output: { ...wanted.output, width: 320, height: 180, format } });
      const script = await readFile(packagePath('test/support/video-page.js'), 'utf8');
      await writeFile(
        join(folder, 'page.html'),
        `<video src="out/full.${format}" muted></video><script>${script}</script>`,
      );
      const page = await browser.newPage();
      await page.goto(`file://${join(folder, 'page.html')}`);
      const seen = await page.evaluate<Seen>('inspectVideo([0.5, 6, 6.4, 8.2, 8.5, 11.3, 1], 10.5)');
      expect(seen.error).toBeNull();
      expect(seen.ended).toBe(true);
      expect(Math.abs(seen.duration - 550_000 / 48_000)).toBeLessThan(0.022);
      const expected = [60, 60, 140, 140, 220, 220, 60];
      for (const [i, level] of seen.levels.entries()) expect(Math.abs(level - expected[i]!)).toBeLessThan(8);
    } finally {
      await browser.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
);
