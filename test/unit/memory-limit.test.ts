import { totalmem } from 'node:os';
import { expect, it } from 'vitest';
import { effectiveLimitBytes } from '../../src/guard/memory-limit.js';

it('takes the smaller of the configured limit and that of the container', () => {
  expect(effectiveLimitBytes(2000, 500e6)).toBe(500e6);
  expect(effectiveLimitBytes(2000, 8000e6 < totalmem() ? 8000e6 : 0)).toBe(2000e6);
  expect(effectiveLimitBytes(2000, 1.8e19)).toBe(2000e6);
  expect(effectiveLimitBytes(2000, 0)).toBe(2000e6);
});
