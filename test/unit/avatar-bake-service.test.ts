import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BakeService } from '../../src/avatar/bake-service.js';
import { loadBaked } from '../../src/avatar/baked.js';
import { DhError } from '../../src/errors.js';

const SIZE = { width: 128, height: 128 };
let cacheDir: string;
let service: BakeService;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'dh-live-test-'));
  service = new BakeService({ cacheDir, avatarsDirs: ['avatars'] });
});
afterEach(async () => {
  await service.close();
  await rm(cacheDir, { recursive: true, force: true });
});

describe('BakeService', () => {
  it('bakes once for all who ask at the same time', async () => {
    const totals: number[][] = [[], []];
    const paths = await Promise.all(
      totals.map((seen) => service.bake('robot', SIZE, (done, total) => void seen.push(done / total))),
    );
    expect(paths[0]).toBe(paths[1]);
    expect(totals[0]).toEqual(totals[1]);
    expect(totals[0]?.at(-1)).toBe(1);
    expect(totals[0]).toHaveLength(37);
    const baked = await loadBaked(paths[0] ?? '');
    expect(baked).toMatchObject({ name: 'robot', pictureWidth: 128, pictureHeight: 128 });
    const again: number[] = [];
    expect(await service.bake('robot', SIZE, (done) => void again.push(done))).toBe(paths[0]);
    expect(again).toEqual([]);
  });

  it('ends a process that takes more memory than it may, and goes on', async () => {
    const loan = { bytes: 1e6, recalled: new AbortController().signal, close: vi.fn() };
    const small = new BakeService({ cacheDir, avatarsDirs: ['avatars'], borrow: () => Promise.resolve(loan) });
    await expect(small.bake('presenter', { width: 1280, height: 720 })).rejects.toMatchObject({
      code: 'memory_pressure',
      message: expect.stringContaining('1 MB') as string,
    });
    expect(small.pids).toEqual([]);
    expect(loan.close).toHaveBeenCalledOnce();
    await small.close();
  });

  it('draws when it has memory, for whom it says, and gives it back before it is done', async () => {
    const recall = new AbortController();
    const asked: unknown[] = [];
    let open = 0;
    let room = false;
    const borrowing = new BakeService({
      cacheDir,
      avatarsDirs: ['avatars'],
      borrow: (size, before) => {
        asked.push([size, before]);
        if (!room) return Promise.reject(new DhError('memory_pressure', 'Nothing is free.'));
        open += 1;
        return Promise.resolve({ bytes: 400e6, recalled: recall.signal, close: () => void (open -= 1) });
      },
    });
    const refused = borrowing.draw('robot', SIZE, { before: 'main' });
    await expect(refused.begun).rejects.toMatchObject({ code: 'memory_pressure' });
    await expect(refused.path).rejects.toMatchObject({ code: 'memory_pressure' });
    room = true;
    const drawing = borrowing.draw('robot', SIZE, { before: 'main' });
    await drawing.begun;
    expect(open).toBe(1);
    await drawing.path;
    expect([open, borrowing.pids]).toEqual([0, []]);
    expect(asked).toEqual([
      [SIZE, 'main'],
      [SIZE, 'main'],
    ]);
    const large = borrowing.draw('presenter', { width: 1280, height: 720 });
    await large.begun;
    recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    await expect(large.path).rejects.toMatchObject({ code: 'memory_pressure', message: 'Somebody needs it.' });
    expect([open, borrowing.pids, borrowing.failures]).toEqual([0, [], 0]);
    await borrowing.close();
  });

  it('gives its memory back when the process is killed from outside', async () => {
    const loan = { bytes: 400e6, recalled: new AbortController().signal, close: vi.fn() };
    const borrowing = new BakeService({ cacheDir, avatarsDirs: ['avatars'], borrow: () => Promise.resolve(loan) });
    const { begun, path } = borrowing.draw('presenter', { width: 1280, height: 720 });
    await begun;
    process.kill(borrowing.pids[0]!, 'SIGKILL');
    await expect(path).rejects.toMatchObject({ code: 'task_crashed' });
    expect(loan.close).toHaveBeenCalledOnce();
    expect([borrowing.pids, borrowing.failures]).toEqual([[], 1]);
    await borrowing.close();
  });

  it('passes errors on with their codes and goes on', async () => {
    await expect(service.bake('../robot', SIZE)).rejects.toMatchObject({ code: 'avatar_not_found' });
    await expect(service.bake('robot', SIZE)).resolves.toContain(cacheDir);
  });

  it('keeps the result elsewhere while the cache cannot be written, until it is closed', async () => {
    const file = join(cacheDir, 'file');
    await writeFile(file, '');
    const other = new BakeService({ cacheDir: file, avatarsDirs: ['avatars'] });
    const path = await other.bake('robot', SIZE);
    await expect(loadBaked(path)).resolves.toMatchObject({ name: 'robot' });
    await other.close();
    await expect(access(path)).rejects.toThrow();
  });

  it('fails what is under way when it is closed, and twice is harmless', async () => {
    const run = expect(service.bake('robot', SIZE)).rejects.toMatchObject({ code: 'shutting_down' });
    await service.close();
    await service.close();
    await run;
    await expect(service.bake('robot', SIZE)).rejects.toMatchObject({ code: 'shutting_down' });
  });
});
