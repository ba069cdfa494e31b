import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AgeLedger } from '../../src/server/renders/age-ledger.js';

const HOUR = 3_600_000;
let folder: string;
let monotonic: number;
let wall: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dh-ages-'));
  monotonic = 5000;
  wall = Date.UTC(2026, 5, 1);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = () =>
  AgeLedger.open({
    path: join(folder, 'ages.json'),
    clock: () => monotonic,
    now: () => wall,
    mostAwayMs: () => 12 * HOUR,
  });

it('counts by the monotonic clock, wherever the wall clock goes', async () => {
  const ages = await open();
  ages.touch('a');
  wall += 1000 * 24 * HOUR;
  monotonic += 3 * HOUR;
  expect(ages.age('a')).toBe(3 * HOUR);
  wall = 0;
  monotonic += HOUR;
  expect(ages.age('a')).toBe(4 * HOUR);
  ages.touch('a');
  expect(ages.age('a')).toBe(0);
  expect(ages.age('unknown')).toBe(0);
});

it.each([
  ['an hour', HOUR, HOUR],
  ['a year, or a clock that was set forward', 365 * 24 * HOUR, 12 * HOUR],
  ['less than nothing: a clock that was set back', -365 * 24 * HOUR, 0],
])('goes on after a restart; between them passed %s', async (_what, away, counted) => {
  const first = await open();
  first.touch('a');
  monotonic += 2 * HOUR;
  await first.save();
  // Another process, perhaps another start of the machine.
  monotonic = 7;
  wall += away;
  const second = await open();
  expect(second.age('a')).toBe(2 * HOUR + counted);
  monotonic += HOUR;
  expect(second.age('a')).toBe(3 * HOUR + counted);
  second.adopt('a', 0);
  expect(second.age('a')).toBe(3 * HOUR + counted);
});

it('grows also when every run is too short to reach the age', async () => {
  const first = await open();
  first.touch('a');
  await first.save();
  for (let run = 0; run < 30; run++) {
    monotonic = 0;
    const ages = await open();
    monotonic += HOUR;
    wall += HOUR;
    await ages.save();
  }
  expect((await open()).age('a')).toBe(30 * HOUR);
});

it('takes what it does not know by its date, within bounds, and forgets what is not there', async () => {
  await writeFile(join(folder, 'ages.json'), '{"savedAtMs": 1, "ages": {"a"');
  const ages = await open();
  ages.adopt('hour', wall - HOUR);
  ages.adopt('old', 0);
  ages.adopt('future', wall + HOUR);
  expect(['hour', 'old', 'future'].map((name) => ages.age(name))).toEqual([HOUR, 12 * HOUR, 0]);
  ages.retain(new Set(['old', 'future']));
  ages.forget('future');
  await ages.save();
  const again = await open();
  expect(['hour', 'old', 'future'].map((name) => again.age(name))).toEqual([0, 12 * HOUR, 0]);
});
