import { expect, it } from 'vitest';
import { readThreadTimes, ThreadWatch } from '../../src/server/thread-watch.js';

/** Feeds one measurement a second; `share` says how much of each second a thread works. */
function firstAlarm(seconds: number, share: (thread: number, second: number) => number): [number, number] | null {
  const watch = new ThreadWatch();
  const used = new Map([
    [11, 0],
    [12, 0],
  ]);
  for (let second = 0; second <= seconds; second++) {
    const found = watch.add(new Map(used), second * 1000);
    if (found !== null) return [found, second];
    for (const [thread, ms] of used) used.set(thread, ms + 1000 * share(thread, second));
  }
  return null;
}

it('finds a thread that uses a whole core for 8 seconds', () => {
  expect(firstAlarm(30, (thread) => (thread === 12 ? 1 : 0.1))).toEqual([12, 8]);
});

it('leaves threads alone that rest now and then, however much they work together', () => {
  expect(firstAlarm(60, (_, second) => (second % 8 === 7 ? 0.5 : 1))).toBeNull();
  expect(firstAlarm(60, () => 0.9)).toBeNull();
});

it('counts anew for a new process and for a thread that is gone', () => {
  const watch = new ThreadWatch();
  for (let second = 0; second < 8; second++) watch.add(new Map([[5, second * 1000]]), second * 1000);
  expect(watch.add(new Map(), 8000)).toBeNull();
  watch.reset();
  expect(watch.add(new Map([[5, 9000]]), 9000)).toBeNull();
});

it.runIf(process.platform === 'linux')('reads the threads of a process', async () => {
  const times = await readThreadTimes(process.pid);
  expect(times!.size).toBeGreaterThan(0);
  expect([...times!.values()].every((ms) => ms >= 0 && Number.isFinite(ms))).toBe(true);
  expect(await readThreadTimes(2 ** 22 + 1)).toBeNull();
});
