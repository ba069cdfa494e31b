import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ImageCache, type Loan } from '../../src/guard/image-cache.js';
import { MemoryRegistry } from '../../src/guard/memory-registry.js';

interface Picture {
  key: string;
  bytes: number;
  gone: boolean;
}

const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('borrow' as const), key: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('soft' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hard' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), bytes: fc.nat(500) }) },
);

it('keeps what is in use, its limit for the rest, and its books, whatever is asked of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 80 }), async (acts) => {
      const registry = new MemoryRegistry();
      let limitBytes = 300;
      const made: Picture[] = [];
      const cache = new ImageCache<Picture>({
        owner: 'test',
        limitBytes,
        bytesOf: ({ bytes }) => bytes,
        dispose: (picture) => {
          expect(picture.gone).toBe(false); // once
          picture.gone = true;
        },
        registry,
      });
      const loans: Loan<Picture>[] = [];
      let asked = 0;
      for (const one of acts) {
        if (one.do === 'borrow') {
          asked += 1;
          const loan = await cache.borrow(String(one.key), () => {
            const picture = { key: String(one.key), bytes: 40 + one.key * 13, gone: false };
            made.push(picture);
            return picture;
          });
          expect(loan.value.key).toBe(String(one.key));
          loans.push(loan);
        } else if (one.do === 'release') loans.splice(one.which % Math.max(1, loans.length), 1)[0]?.release();
        else if (one.do === 'limit') cache.configure({ limitBytes: (limitBytes = one.bytes) });
        else {
          const before = cache.figures().bytes;
          expect(cache.trim(one.do)).toBe(before - cache.figures().bytes);
        }
        for (const { value } of loans) expect(value.gone).toBe(false);
        const { bytes, items, hits, misses, evictions } = cache.figures();
        const pinned = new Set(loans.map(({ value }) => value));
        const pinnedBytes = [...pinned].reduce((sum, picture) => sum + picture.bytes, 0);
        expect(cache.inUseBytes).toBe(pinnedBytes);
        expect(bytes).toBeLessThanOrEqual(Math.max(limitBytes, pinnedBytes));
        const kept = made.filter(({ gone }) => !gone);
        expect(kept).toHaveLength(items);
        expect(kept.reduce((sum, picture) => sum + picture.bytes, 0)).toBe(bytes);
        expect(hits + misses).toBe(asked);
        expect(evictions).toBe(made.length - kept.length);
        expect(registry.accountedBytes()).toBe(bytes);
      }
      cache.close();
      for (const loan of loans) loan.release();
      expect(made.every(({ gone }) => gone)).toBe(true);
      expect(cache.figures()).toMatchObject({ bytes: 0, items: 0 });
      expect(registry.entries()).toEqual([]);
    }),
  );
});
