import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { hashOfFile, readClipList, RenderTestTools, settings, writeClips } from '../support/render-fixture.js';

const kit = new RenderTestTools();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-disk-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => kit.close());

const isRoot = process.getuid?.() === 0;

/** A small disk of its own; null where none may be mounted. */
function mount(at: string, size: string): boolean {
  mkdirSync(at);
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

// Whoever reckoned had enough; then somebody else filled the disk.
const free = () => Promise.resolve({ device: 1, freeBytes: 1e12 });

test.skipIf(!isRoot)(
  'a disk that fills up in the middle stops cleanly, and the same command goes on',
  async (context) => {
    const disk = join(folder, 'disk');
    if (!mount(disk, '600k')) {
      context.skip('no disk may be mounted here');
      return;
    }
    try {
      writeClips(
        join(folder, 'clips'),
        Array.from({ length: 10 }, (_, i) => 48_000 + 100 * i),
      );
      const clips = await readClipList(join(folder, 'clips'));
      const split = { everySamples: 100_000, exact: false };
      await kit.run(settings(folder, clips, { split }));
      // In phase one, where the prepared sound goes.
      const wanted = settings(folder, clips, { split, tempFolder: disk, outputFolder: join(disk, 'out') });
      await expect(kit.run(wanted, { free })).rejects.toMatchObject({ code: 'disk_full' });
      expect(kit.notes().join()).toMatch(/kept \d+ prepared clips/);
      const kept = (await readdir(join(disk, 'video_segments/test/clips'))).filter((name) =>
        name.endsWith('.pcm'),
      ).length;
      expect(kept).toBeGreaterThan(0);
      // In phase two, where the parts go.
      execFileSync('/bin/mount', ['-o', 'remount,size=1100k', disk]);
      await expect(kit.run(wanted, { free })).rejects.toMatchObject({ code: 'disk_full' });
      expect((await readdir(join(disk, 'out'))).filter((name) => name.startsWith('.'))).toEqual([]);
      execFileSync('/bin/mount', ['-o', 'remount,size=50m', disk]);
      const result = await kit.run(wanted, { free });
      for (const { file } of result!.parts) {
        expect(hashOfFile(join(disk, 'out', file))).toBe(hashOfFile(join(folder, 'out', file)));
      }
    } finally {
      execFileSync('/bin/umount', [disk]);
    }
  },
);

test.skipIf(isRoot)('an output folder that cannot be written says so before any work', async () => {
  writeClips(join(folder, 'clips'), [10_000]);
  const wanted = settings(folder, await readClipList(join(folder, 'clips')));
  mkdirSync(wanted.outputFolder);
  await chmod(wanted.outputFolder, 0o500);
  await expect(kit.run(wanted)).rejects.toMatchObject({ code: 'write_failed' });
});

test('an output folder that cannot be is said before any work', async () => {
  writeClips(join(folder, 'clips'), [10_000]);
  const wanted = settings(folder, await readClipList(join(folder, 'clips')), {
    outputFolder: join(folder, 'clips', '1.wav', 'out'),
  });
  await expect(kit.run(wanted)).rejects.toMatchObject({ code: 'write_failed' });
  expect(kit.events).toEqual([]);
});
