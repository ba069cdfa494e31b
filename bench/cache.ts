/**
 * `npm run bench:cache`: how many pictures a second the image cache takes in and hands out, beside a bare `lru-cache` with
 * the same byte limit, on the same pictures in the same order. One item is one picture asked for: half of them are in the
 * cache, for the others a picture is loaded and an old one goes.
 */
import { LRUCache } from 'lru-cache';
import { ImageCache } from '../src/guard/image-cache.js';
import { MemoryRegistry } from '../src/guard/memory-registry.js';
import { load1m } from './lib/machine.js';
import { benchOptions } from './lib/options.js';
import { quantile, report, type Targets } from './lib/report.js';

benchOptions({});
const ITEMS = 100_000;
const ROUNDS = 9;
const PICTURE_BYTES = 512 * 512 * 3;
const LIMIT_BYTES = 200e6;
/** What fits, twice: every second one that is asked for is there. */
const KEYS = Math.floor(LIMIT_BYTES / PICTURE_BYTES) * 2;
/** Items a second of the system that this one came from. */
const OLDER_ITEMS_PER_S = 7895;

// Loading a picture is not measured here: all keys share the memory of one.
const pixels = new Uint8Array(PICTURE_BYTES);
const load = async (): Promise<Uint8Array> => pixels.subarray();
// A fixed sequence (linear congruence), equal for both.
let last = 1;
const keys = Array.from({ length: ITEMS }, () => {
  last = (Math.imul(last, 1_103_515_245) + 12_345) >>> 0;
  return `picture-${(last >>> 8) % KEYS}`;
});

async function withCache(): Promise<number> {
  const cache = new ImageCache<Uint8Array>({
    owner: 'bench',
    limitBytes: LIMIT_BYTES,
    bytesOf: ({ byteLength }) => byteLength,
    registry: new MemoryRegistry(),
  });
  const begin = performance.now();
  for (const key of keys) (await cache.borrow(key, load)).release();
  const seconds = (performance.now() - begin) / 1000;
  const { hits, bytes } = cache.figures();
  if (bytes > LIMIT_BYTES) throw new Error('the cache is over its limit');
  figures['hitShare'] = hits / ITEMS;
  cache.close();
  return ITEMS / seconds;
}

async function withLru(): Promise<number> {
  const cache = new LRUCache<string, Uint8Array>({ maxSize: LIMIT_BYTES, sizeCalculation: (one) => one.byteLength });
  const begin = performance.now();
  for (const key of keys) {
    let picture = cache.get(key);
    if (!picture) {
      picture = await load();
      cache.set(key, picture);
    }
  }
  return ITEMS / ((performance.now() - begin) / 1000);
}

const figures: Record<string, number> = { load1m_begin: load1m() };
const targets: Targets = { imageCacheItemsPerS: `>= ${10 * OLDER_ITEMS_PER_S}` };
const mine: number[] = [];
const bare: number[] = [];
for (let round = 0; round <= ROUNDS; round++) {
  const [a, b] = [await withCache(), await withLru()];
  if (round === 0) continue; // compiles
  mine.push(a);
  bare.push(b);
}
figures['imageCacheItemsPerS'] = quantile(mine, 0.5);
figures['bareLruItemsPerS'] = quantile(bare, 0.5);
figures['ratioToBareLru'] = figures['imageCacheItemsPerS'] / figures['bareLruItemsPerS'];
figures['ratioToOlder'] = figures['imageCacheItemsPerS'] / OLDER_ITEMS_PER_S;
figures['load1m_end'] = load1m();
process.exitCode = report('cache', figures, targets) ? 0 : 1;
