import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { makeTempFolder, removeLeftFolders } from '../../src/server/temp-folder.js';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'temp-folder-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

test('what killed servers left goes; what a living one, a stranger or another container has, stays', async () => {
  const module = JSON.stringify(pathToFileURL(packagePath('dist/server/temp-folder.js')).href);
  const script = `const { makeTempFolder } = await import(${module});
    const folder = await makeTempFolder(${JSON.stringify(base)});
    (await import('node:fs')).writeFileSync(folder + '/upload', 'x'.repeat(1000));
    process.kill(process.pid, 'SIGKILL');`;
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal).toBe('SIGKILL');
  const [left] = await readdir(base);
  const mine = await makeTempFolder(base);
  const now = Date.now();
  const folders = { elsewhere: 'dh-live-elsewhere', new: 'dh-live-new', old: 'dh-live-old', used: 'dh-live-used' };
  for (const name of [...Object.values(folders), 'other']) await mkdir(join(base, name));
  await writeFile(
    join(base, folders.elsewhere, 'owner.json'),
    JSON.stringify({ host: 'a', pid: 1, boot: 'b', space: 'c' }),
  );
  await writeFile(join(base, folders.used, 'file'), '');
  const old = (now - 2 * 3_600_000) / 1000;
  for (const name of [folders.old, folders.used, 'other']) await utimes(join(base, name), old, old);
  await mkdir(join(base, 'target'));
  await symlink(join(base, 'target'), join(base, 'dh-live-link'));
  expect(await removeLeftFolders(now, base)).toBe(2);
  const names = await readdir(base);
  expect(names).not.toContain(left);
  expect(names.sort()).toEqual(
    [
      'dh-live-link',
      folders.elsewhere,
      folders.new,
      folders.used,
      mine.slice(base.length + 1),
      'other',
      'target',
    ].sort(),
  );
  expect((await stat(mine)).mode & 0o777).toBe(0o700);
});

test('where none can be made the reason is said', async () => {
  const missing = join(base, 'missing');
  await expect(makeTempFolder(missing)).rejects.toMatchObject({
    code: 'write_failed',
    message: expect.stringContaining(missing),
    hint: expect.stringContaining('TMPDIR'),
  });
});
