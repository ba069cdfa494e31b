import { expect, test } from 'vitest';
import { SilenceWatch, runQueueWaitMs } from '../../src/server/run-queue.js';

test('time in the run queue is no silence', () => {
  let waited = 5000;
  const watch = new SilenceWatch(() => waited);
  expect(watch.check(1, 400, 1500)).toBe(false);
  waited += 1400; // nearly all of the time that goes by
  expect(watch.check(1, 1900, 1500)).toBe(false);
  expect(watch.waitedMs).toBe(1400);
  // It gets a CPU again and still says nothing: now it hangs.
  expect(watch.check(1, 2800, 1500)).toBe(false);
  expect(watch.check(1, 2901, 1500)).toBe(true);
  watch.heard();
  expect([watch.waitedMs, watch.check(1, 400, 1500)]).toEqual([0, false]);
});

test('without /proc, and after ten times the limit, silence is all that counts', () => {
  expect(new SilenceWatch(() => null).check(1, 1501, 1500)).toBe(true);
  expect(new SilenceWatch(() => null).check(undefined, 1500, 1500)).toBe(false);
  let waited = 0;
  const starved = new SilenceWatch(() => (waited += 15_000));
  expect(starved.check(1, 300, 1500)).toBe(false);
  expect(starved.check(1, 15_000, 1500)).toBe(false);
  expect(starved.check(1, 15_001, 1500)).toBe(true);
});

test.runIf(process.platform === 'linux')('Linux says how long a process waited for a CPU', () => {
  expect(runQueueWaitMs(process.pid)).toBeGreaterThanOrEqual(0);
  expect(runQueueWaitMs(2 ** 30)).toBeNull();
});
