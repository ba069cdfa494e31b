import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makeFolder } from '../../src/render/disk-error.js';
import { checkSpace } from '../../src/render/disk-space.js';
import { ProjectLock } from '../../src/render/project-lock.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
  path = join(folder, 'lock');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a lock is held once and given back', async () => {
  const lock = await ProjectLock.acquire(path, 'it');
  await expect(ProjectLock.acquire(path, 'it')).rejects.toMatchObject({ code: 'render_busy' });
  await lock.close();
  await lock.close();
  const again = await ProjectLock.acquire(path, 'it');
  await again.close();
  expect(await readdir(folder)).toEqual([]);
});

test('the lock of a process that is gone is taken over', async () => {
  const lock = await ProjectLock.acquire(path, 'it');
  const holder = JSON.parse(await readFile(path, 'utf8')) as object;
  await lock.close();
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await writeFile(path, JSON.stringify({ ...holder, pid: child.pid }));
  await (await ProjectLock.acquire(path, 'it')).close();
});

test('what a process left that was killed while it asked for a lock goes, what one that lives has made stays', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  const names = [`lock.${child.pid}-a`, `lock.${process.ppid}-b`, `lock.${child.pid}-c`];
  const lock = await ProjectLock.acquire(path, 'it');
  const holder = await readFile(path, 'utf8');
  await lock.close();
  await writeFile(join(folder, names[0]!), holder);
  await writeFile(join(folder, names[1]!), '');
  await writeFile(
    join(folder, names[2]!),
    JSON.stringify({ host: 'elsewhere', pid: child.pid, started: '', boot: '' }),
  );
  await (await ProjectLock.acquire(path, 'it')).close();
  expect(await readdir(folder)).toEqual(names.slice(1).sort());
});

test.skipIf(process.platform !== 'linux')(
  'a process that has got the number of one that is gone does not hold its lock',
  async () => {
    const lock = await ProjectLock.acquire(path, 'it');
    const holder = JSON.parse(await readFile(path, 'utf8')) as { started: string };
    await lock.close();
    await writeFile(path, JSON.stringify({ ...holder, started: `${Number(holder.started) - 1}` }));
    await (await ProjectLock.acquire(path, 'it')).close();
  },
);

const ELSEWHERE = JSON.stringify({ host: 'elsewhere', pid: 1, started: '1', boot: 'b', space: 's' });

/** Time that passes only when somebody sleeps; `onSleep` says what happens elsewhere meanwhile. */
function sleeper(onSleep: (nowMs: number) => unknown = () => undefined) {
  let nowMs = 0;
  return {
    clock: () => nowMs,
    sleep: async (ms: number): Promise<void> => {
      nowMs += ms;
      await onSleep(nowMs);
    },
  };
}

test('a lock that somebody elsewhere touches is respected, and the holder named', async () => {
  await writeFile(path, ELSEWHERE);
  const time = sleeper((nowMs) => nowMs === 3000 && utimes(path, 1, 1));
  const waits: string[] = [];
  const acquired = ProjectLock.acquire(path, 'The folder /a', { ...time, onWait: (message) => waits.push(message) });
  const message = 'The folder /a is in use by process 1 on elsewhere.';
  await expect(acquired).rejects.toMatchObject({ code: 'render_busy', message });
  expect(waits).toEqual([message]);
  expect(time.clock()).toBe(3000);
});

test('a lock that nobody elsewhere has touched for 20 s is taken over, a damaged one at once', async () => {
  await writeFile(path, ELSEWHERE);
  const time = sleeper();
  const lock = await ProjectLock.acquire(path, 'it', time);
  expect(time.clock()).toBe(20_000);
  expect(await readFile(path, 'utf8')).toContain(`"pid":${process.pid}`);
  await lock.close();
  await writeFile(path, '{"host":');
  await (await ProjectLock.acquire(path, 'it', time)).close();
  expect(time.clock()).toBe(20_000);
});

test('who waits gets the lock when it is given back; not after it stopped waiting', async () => {
  const first = await ProjectLock.acquire(path, 'it');
  const time = sleeper((nowMs) => nowMs > 60_000 && first.close());
  const second = await ProjectLock.acquire(path, 'it', { ...time, wait: true });
  const stop = new AbortController();
  const third = ProjectLock.acquire(path, 'it', {
    ...sleeper(() => stop.abort(new Error('no longer wanted'))),
    ...{ wait: true, signal: stop.signal },
  });
  await expect(third).rejects.toThrow('no longer wanted');
  await second.close();
  expect(await readdir(folder)).toEqual([]);
});

test('a holder touches its lock, and learns when it was taken over', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const lock = await ProjectLock.acquire(path, 'it');
    await utimes(path, 1, 1);
    vi.advanceTimersByTime(3_000);
    await vi.waitFor(async () => expect((await stat(path)).mtimeMs).toBeGreaterThan(1000));
    await rm(path);
    await writeFile(path, ELSEWHERE);
    vi.advanceTimersByTime(3_000);
    await vi.waitFor(() => expect(lock.lost.aborted).toBe(true));
    await lock.close();
    expect(await readFile(path, 'utf8')).toBe(ELSEWHERE);
  } finally {
    vi.useRealTimers();
  }
});

test('a folder that cannot be made says what is in the way', async () => {
  await writeFile(path, '');
  for (const wanted of [path, join(path, 'a/b')]) {
    await expect(makeFolder(wanted)).rejects.toMatchObject({
      code: 'write_failed',
      message: `${wanted} cannot be made: ${path} is a file.`,
    });
  }
  await makeFolder(join(folder, 'a/b'));
  await makeFolder(join(folder, 'a/b'));
});

test('space is reckoned disk by disk, with the figures', async () => {
  const free = (at: string) => Promise.resolve({ device: at === '/a' ? 1 : 2, freeBytes: 100e6 });
  const needs = [
    { folder: '/a', bytes: 60e6 },
    { folder: '/b', bytes: 60e6 },
  ];
  expect(await checkSpace(needs, free)).toEqual({ neededBytes: 120e6, freeBytes: 100e6 });
  const one = () => Promise.resolve({ device: 1, freeBytes: 100e6 });
  await expect(checkSpace(needs, one)).rejects.toMatchObject({
    code: 'disk_full',
    message: 'About 120 MB are needed on the disk of /a and 8 MB kept free, 100 MB are free.',
  });
});
