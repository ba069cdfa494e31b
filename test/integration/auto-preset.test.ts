import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { loadPreset } from '../../src/config/load.js';
import type { Decision } from '../../src/guard/optimizer.js';
import { neededMemory } from '../../src/guard/memory-division.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../../src/malloc-env.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer | null = null;
let cacheDir: string | null = null;
afterEach(async () => {
  await server?.stop('SIGKILL');
  if (cacheDir) await rm(cacheDir, { recursive: true, force: true });
});

it('--preset auto keeps to the memory limit that the operator has set, and measures the machine once', async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'dh-live-auto-'));
  // Nothing has to be drawn; nothing is measured yet.
  await cp(packagePath('.cache/avatars'), cacheDir, { recursive: true, filter: (from) => !from.endsWith('.json') });
  const need = (name: string): number => {
    const { session } = loadPreset(name);
    return Math.ceil(neededMemory({ stages: 1, size: session, softShare: 0.8 }).totalMb);
  };
  const limitMb = need('default') - 1;
  expect(limitMb).toBeGreaterThan(need('low'));
  // As npm start does it: without these the server takes more memory than the limit leaves.
  const env = { ...MALLOC_ENV, DH_LIVE_MEMORY_MAX_MEMORY_MB: String(limitMb), DH_LIVE_CACHE_DIR: cacheDir };
  const decided = async (): Promise<Decision[]> => {
    server = await startServer({ args: ['--preset', 'auto'], env, nodeArgs: HEAP_FLAGS });
    const { preset, decisions } = (await server.get('/api/v1/report')) as { preset: string; decisions: Decision[] };
    expect(preset).toBe('low');
    await server.stop();
    return decisions;
  };

  const first = await decided();
  expect(first).toContainEqual(
    expect.objectContaining({ what: 'preset low', why: expect.stringMatching(/default needs \d+ MB/) as string }),
  );
  expect(first).toContainEqual(expect.objectContaining({ what: 'cost of a picture', why: 'measured just now' }));
  expect(await decided()).toContainEqual(
    expect.objectContaining({ what: 'cost of a picture', why: 'read from the cache of this machine' }),
  );
}, 90_000);
