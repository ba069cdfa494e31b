import { expect, it } from 'vitest';
import { ThreadLoad, readThreadTimes } from '../../src/server/thread-load.js';

it('finds the busiest thread between two looks', () => {
  const load = new ThreadLoad();
  const times = (a: number, b: number) =>
    new Map([
      [11, a],
      [12, b],
    ]);
  expect(load.next(times(0, 0), 0)).toEqual({ threads: 3, busiestPercent: null });
  expect(load.next(times(100, 400), 1000)).toEqual({ threads: 3, busiestPercent: 40 });
  expect(load.next(times(1120, 400), 2000)).toEqual({ threads: 3, busiestPercent: 100 });
  expect(load.next(null, 3000)).toEqual({ threads: null, busiestPercent: null });
});

it.runIf(process.platform === 'linux')('reads the threads of a process', async () => {
  const times = await readThreadTimes(process.pid);
  expect(times!.size).toBeGreaterThan(0);
  expect([...times!.values()].every((ms) => ms >= 0 && Number.isFinite(ms))).toBe(true);
  expect(await readThreadTimes(2 ** 22 + 1)).toBeNull();
});
