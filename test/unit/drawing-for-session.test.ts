import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { DhError } from '../../src/errors.js';
import { Helpers } from '../../src/server/helpers.js';
import type { ServerLoans } from '../../src/server/server-loans.js';
import type { WorkerPools } from '../../src/tasks/worker-pools.js';
import type { MemoryLoan } from '../../src/units.js';

const SIZE = { width: 128, height: 128 };
let cacheDir: string;
let helpers: Helpers;
/** How often the memory of a drawing is wanted back as soon as it is lent. */
let recalls: number;
let lent: number;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'dh-live-test-'));
  lent = 0;
  helpers = newHelpers(cacheDir);
});
afterEach(async () => {
  await helpers.close();
  await rm(cacheDir, { recursive: true, force: true });
});

function newHelpers(folder: string, { avatarsDir = 'avatars', temp = cacheDir } = {}): Helpers {
  const bake = (): Promise<MemoryLoan> => {
    const recall = new AbortController();
    if (lent++ < recalls) recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    return Promise.resolve({ bytes: 500e6, recalled: recall.signal, close: () => undefined });
  };
  return new Helpers({
    ...{ config: () => loadConfig({}), cacheDir: folder, avatarsDirs: [avatarsDir], temp },
    loans: { bake } as unknown as ServerLoans,
    pools: { processWork: () => ({ track: (run: () => unknown) => run() }) } as unknown as WorkerPools,
    log: pino({ level: 'silent' }),
    clock: () => performance.now(),
  });
}

describe('a drawing whose memory is wanted back, or whose process dies', () => {
  const draw = (before: string | null) => helpers.draw('robot', SIZE, { before, patient: false });

  it('is begun again when a new session waits for it, three times at most', async () => {
    recalls = 2;
    const { loaded, path } = draw('main');
    await loaded;
    expect(await path).toContain('robot');
    expect(lent).toBe(3);

    recalls = Infinity;
    await expect(
      helpers.draw('robot', { width: 160, height: 160 }, { before: 'main', patient: false }).path,
    ).rejects.toMatchObject({ code: 'memory_pressure' });
    expect(lent).toBe(6);
  });

  it('is begun again when its process was killed', async () => {
    recalls = 0;
    const { loaded, path } = helpers.draw('presenter', SIZE, { before: 'main', patient: true });
    await loaded;
    const pids = (): number[] => helpers.pids().find(({ name }) => name === 'bake')!.pids;
    await vi.waitFor(() => expect(pids()).toHaveLength(1));
    process.kill(pids()[0]!, 'SIGKILL');
    expect(await path).toContain('presenter');
    expect([lent, helpers.failures().bake]).toEqual([2, 1]);
  });

  it.skipIf(process.platform === 'win32')('is not begun again when it cannot be stored', async () => {
    recalls = 0;
    // Neither the cache nor the folder for what does not fit there can be made.
    const helpless = newHelpers('/dev/null/cache', { temp: '/dev/null/temp' });
    const { loaded, path } = helpless.draw('robot', SIZE, { before: 'main', patient: true });
    await loaded;
    await expect(path).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('disk') as string });
    expect(lent).toBe(1);
    // It finds no folder that it could remove.
    await helpless.close().catch(() => undefined);
  });

  it('is loaded when the avatar is valid, before it is drawn; one with a broken picture never is', async () => {
    recalls = 1;
    const { loaded, path } = draw('main');
    await loaded;
    expect(await Promise.race([path, Promise.resolve('drawing')])).toBe('drawing');
    await path;
    await cp('avatars/robot', join(cacheDir, 'packages/robot'), { recursive: true });
    await writeFile(join(cacheDir, 'packages/robot/base.svg'), 'x');
    const broken = newHelpers(cacheDir, { avatarsDir: join(cacheDir, 'packages') });
    const refused = broken.draw('robot', SIZE, { before: 'main', patient: false });
    await expect(refused.loaded).rejects.toMatchObject({
      code: 'avatar_invalid',
      message: expect.stringContaining('base.svg'),
    });
    await expect(refused.path).rejects.toMatchObject({ code: 'avatar_invalid' });
    await broken.close();
  });

  it('has failed when the session has a picture meanwhile', async () => {
    recalls = 1;
    await expect(draw(null).path).rejects.toMatchObject({ code: 'memory_pressure' });
    expect(lent).toBe(1);
  });
});
