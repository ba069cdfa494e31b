import { expect, test } from 'vitest';
import { LoopDelay } from '../../src/guard/loop-delay.js';

test('figures are of the last whole second, without the interval that the histogram counts as well', () => {
  let now = 0;
  let values: number[] = [];
  const rank = (q: number): number => values.sort((a, b) => a - b)[Math.ceil((q / 100) * values.length) - 1] ?? 0;
  const delay = new LoopDelay({
    clock: () => now,
    histogram: {
      enable: () => true,
      disable: () => true,
      reset: () => (values = []),
      percentile: (q) => rank(q) * 1e6,
      get max() {
        return rank(100) * 1e6;
      },
      get count() {
        return values.length;
      },
    },
  });
  values.push(20, 20, 150);
  now = 400;
  expect(delay.read()).toEqual({ p50: 0, p99: 0, max: 0 });
  now = 1000;
  expect(delay.read()).toEqual({ p50: 0, p99: 130, max: 130 });
  values.push(20, 21);
  now = 1500;
  expect(delay.read().max).toBe(130);
  now = 2000;
  expect(delay.read()).toEqual({ p50: 0, p99: 1, max: 1 });
  delay.close();
});

test("a blocked loop shows in Node's own histogram", async () => {
  let now = performance.now();
  const delay = new LoopDelay({ clock: () => now });
  await new Promise((resolve) => setTimeout(resolve, 60));
  const end = performance.now() + 120;
  while (performance.now() < end);
  await new Promise((resolve) => setTimeout(resolve, 60));
  now += 1001;
  expect(delay.read().max).toBeGreaterThan(80);
  delay.close();
});
