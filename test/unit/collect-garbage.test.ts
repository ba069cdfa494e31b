import { describe, expect, it } from 'vitest';
import { collectAllGarbage } from '../../src/tasks/collect-garbage.js';

describe('a collection of all garbage', () => {
  it('has let go what nobody holds when it is done, and gives its pages back', async () => {
    const objects = Array.from({ length: 200_000 }, (_, i) => ({ i, text: `object ${i}` }));
    // What is kept lies scattered over all pages.
    const kept = objects.filter(({ i }) => i % 20 === 0);
    const before = process.memoryUsage();
    objects.length = 0;
    await collectAllGarbage();
    const after = process.memoryUsage();
    expect(before.heapUsed - after.heapUsed).toBeGreaterThan(10e6);
    expect(before.heapTotal - after.heapTotal).toBeGreaterThan(5e6);
    expect(kept[1]!.text).toBe('object 20');
  });
});
