import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/avatar/life-random.js';
import { hashOfFile, hashOfSound, startCli, writeClips } from '../support/render-fixture.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-kill-'));
  writeClips(
    join(folder, 'clips'),
    Array.from({ length: 24 }, (_, i) => 50_000 + 3001 * i),
  );
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const KILLS = 10;

function command(name: string): string[] {
  return [
    'render',
    'clips',
    '-o',
    name,
    '--temp',
    `temp-${name}`,
    '--project',
    name,
    '--size',
    '320x180',
    '--split',
    '5s',
  ];
}

async function videos(name: string): Promise<string[]> {
  return (await readdir(join(folder, name))).filter((file) => file.endsWith('.mp4')).sort();
}

test('killed at ten random moments, the result is the same as without', { timeout: 120_000 }, async () => {
  const begin = performance.now();
  const whole = await startCli([...command('whole'), '--full'], folder).ended;
  expect(whole.err).toContain('prepared 24/24');
  expect(whole.code).toBe(0);
  const tookMs = performance.now() - begin;

  const random = seededRandom(7);
  let killed = 0;
  const remains: number[] = [];
  for (let attempt = 0; killed < KILLS && attempt < 3 * KILLS; attempt++) {
    const run = startCli([...command('killed'), '--full'], folder);
    const timer = setTimeout(() => run.process.kill('SIGKILL'), 100 + random() * tookMs);
    const { signal, code } = await run.ended;
    clearTimeout(timer);
    if (signal === 'SIGKILL') {
      killed++;
      remains.push(
        (await readdir(join(folder, 'killed')).catch(() => [])).filter((file) => file.endsWith('.mp4')).length,
      );
      continue;
    }
    expect(code).toBe(0);
    // It was quicker than the kill: once more from the start.
    await rm(join(folder, 'killed'), { recursive: true });
    await rm(join(folder, 'temp-killed'), { recursive: true });
  }
  expect(killed).toBe(KILLS);
  // Not all at the same stage.
  expect(new Set(remains).size).toBeGreaterThan(1);
  const last = await startCli([...command('killed'), '--full'], folder).ended;
  expect(last).toMatchObject({ code: 0, signal: null });

  const files = await videos('whole');
  expect(files.length).toBeGreaterThan(5);
  expect(await readdir(join(folder, 'killed'))).toEqual(await readdir(join(folder, 'whole')));
  for (const file of files) {
    expect(hashOfSound(join(folder, 'killed', file))).toBe(hashOfSound(join(folder, 'whole', file)));
    expect(hashOfFile(join(folder, 'killed', file))).toBe(hashOfFile(join(folder, 'whole', file)));
  }
  const index = (name: string) => readFile(join(folder, name, 'index.json'), 'utf8');
  expect((await index('killed')).replaceAll('killed', 'whole')).toBe(await index('whole'));
  expect(await readdir(join(folder, 'temp-killed/video_segments/killed/clips'))).toEqual([]);
});
