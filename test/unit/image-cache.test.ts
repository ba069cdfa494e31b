import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contentKey, fileKey, ImageCache } from '../../src/guard/image-cache.js';
import { MemoryRegistry } from '../../src/guard/memory-registry.js';

function pictures(limitBytes = 1000) {
  const gone: number[] = [];
  const cache = new ImageCache<Uint8Array>({
    owner: 'test',
    limitBytes,
    bytesOf: ({ byteLength }) => byteLength,
    dispose: ({ byteLength }) => gone.push(byteLength),
    registry: new MemoryRegistry(),
  });
  return { cache, gone };
}

describe('ImageCache', () => {
  it('loads once for two who ask at the same time, and keeps it until both gave it back', async () => {
    const { cache, gone } = pictures();
    let loads = 0;
    let finish!: (picture: Uint8Array) => void;
    const load = (): Promise<Uint8Array> => {
      loads += 1;
      return new Promise((resolve) => (finish = resolve));
    };
    const asked = [cache.borrow('a', load), cache.borrow('a', load)];
    await Promise.resolve();
    finish(new Uint8Array(100));
    const [first, second] = await Promise.all(asked);
    expect(first?.value).toBe(second?.value);
    expect(loads).toBe(1);
    expect(cache.figures()).toMatchObject({ hits: 1, misses: 1, items: 1, bytes: 100 });
    first?.release();
    first?.release(); // twice counts once
    expect(cache.trim('hard')).toBe(0);
    expect(gone).toEqual([]);
    second?.release();
    expect(cache.trim('hard')).toBe(100);
    expect(gone).toEqual([100]);
  });

  it('hands a failed load to all who wait, and tries again for the next', async () => {
    const { cache } = pictures();
    const fail = (): Promise<Uint8Array> => Promise.reject(new Error('not a picture'));
    const both = await Promise.allSettled([cache.borrow('a', fail), cache.borrow('a', fail)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(cache.figures()).toMatchObject({ items: 0, bytes: 0 });
    const throwing = (): Uint8Array => {
      throw new Error('at once');
    };
    await expect(cache.borrow('a', throwing)).rejects.toThrow('at once');
    expect((await cache.borrow('a', () => new Uint8Array(5))).value).toHaveLength(5);
  });

  it('lets the longest unused go first', async () => {
    const { cache, gone } = pictures(250);
    for (const [key, size] of [
      ['a', 100],
      ['b', 101],
      ['a', 100],
      ['c', 102],
    ] as const)
      // prettier-ignore
      (await cache.borrow(key, () => new Uint8Array(size))).release();
    expect(gone).toEqual([101]);
    expect(cache.figures()).toMatchObject({ hits: 1, misses: 3, evictions: 1, bytes: 202 });
  });

  it('does not push everything out for one that is too big to keep', async () => {
    const { cache, gone } = pictures(250);
    (await cache.borrow('a', () => new Uint8Array(100))).release();
    const big = await cache.borrow('big', () => new Uint8Array(300));
    expect(cache.inUseBytes).toBe(300);
    big.release();
    expect(gone.at(-1)).toBe(300);
    expect(cache.figures().bytes).toBeLessThanOrEqual(250);
  });

  it('trims half of what nobody uses softly', async () => {
    const { cache } = pictures();
    for (let i = 0; i < 10; i++) (await cache.borrow(String(i), () => new Uint8Array(100))).release();
    expect(cache.trim('soft')).toBe(500);
    // The newest are still there.
    const { misses } = cache.figures();
    (await cache.borrow('9', () => new Uint8Array(100))).release();
    expect(cache.figures().misses).toBe(misses);
  });

  it('keeps nothing under a limit of 0, but lends', async () => {
    const { cache, gone } = pictures(0);
    const loan = await cache.borrow('a', () => new Uint8Array(7));
    expect(loan.value).toHaveLength(7);
    expect(gone).toEqual([]);
    loan.release();
    expect(gone).toEqual([7]);
  });

  it('follows a smaller and a larger limit', async () => {
    const { cache } = pictures();
    for (let i = 0; i < 10; i++) (await cache.borrow(String(i), () => new Uint8Array(100))).release();
    cache.configure({ limitBytes: 300 });
    expect(cache.figures()).toMatchObject({ bytes: 300, limitBytes: 300 });
    cache.configure({ limitBytes: 900 });
    for (let i = 20; i < 29; i++) (await cache.borrow(String(i), () => new Uint8Array(100))).release();
    expect(cache.figures()).toMatchObject({ bytes: 900, evictions: 10 });
  });
});

describe('keys', () => {
  it('tell content and size apart', () => {
    const one = new Uint8Array([1, 2, 3]);
    expect(contentKey(one, 10, 20)).toBe(contentKey(new Uint8Array([1, 2, 3]), 10, 20));
    expect(contentKey(one, 10, 20)).not.toBe(contentKey(one, 20, 10));
    expect(contentKey(one, 10, 20)).not.toBe(contentKey(new Uint8Array([1, 2, 4]), 10, 20));
  });

  it('tell a changed file from the one before', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'image-cache-'));
    const path = join(dir, 'a.png');
    await writeFile(path, 'one');
    await utimes(path, 1, 1);
    const key = await fileKey(path);
    expect(await fileKey(path)).toBe(key);
    await utimes(path, 2, 2);
    expect(await fileKey(path)).not.toBe(key);
    await rm(dir, { recursive: true });
    await expect(fileKey(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
