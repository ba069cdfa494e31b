import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { effectiveLimitBytes, MemoryGuard } from '../../src/guard/memory-guard.js';

const guard = () => new MemoryGuard({ limitBytes: 1000, gcIntervalS: 15 });

describe('MemoryGuard', () => {
  it('leaves a process alone below 80 % of its limit', () => {
    const one = guard();
    for (let at = 0; at < 100; at++) expect(one.check(799, at * 250)).toBe('none');
  });

  it('asks for a collection from 80 %, at most every interval', () => {
    const one = guard();
    const actions = Array.from({ length: 121 }, (_, i) => one.check(900, i * 250));
    expect(actions.flatMap((action, i) => (action === 'collect' ? [i * 250] : []))).toEqual([0, 15_000, 30_000]);
    expect(actions).not.toContain('replace');
  });

  it('has a process replaced that stays over its limit, not one that passes it for a moment', () => {
    const one = guard();
    expect([1001, 1001, 1001, 999, 1001].map((rss, i) => one.check(rss, i))).not.toContain('replace');
    expect([1001, 1001, 1001].map((rss, i) => one.check(rss, 10 + i)).at(-1)).toBe('replace');
  });
});

it('takes the smaller of the configured limit and that of the container', () => {
  expect(effectiveLimitBytes(2000, 500e6)).toBe(500e6);
  expect(effectiveLimitBytes(2000, 8000e6 < totalmem() ? 8000e6 : 0)).toBe(2000e6);
  expect(effectiveLimitBytes(2000, 1.8e19)).toBe(2000e6);
  expect(effectiveLimitBytes(2000, 0)).toBe(2000e6);
});
