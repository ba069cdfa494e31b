import { expect, it } from 'vitest';
import { parseDuration } from '../../src/durations.js';

it.each([
  ['200ms', 200],
  ['1.5s', 1500],
  ['90s', 90_000],
  ['10m', 600_000],
  ['10 min', 600_000],
  ['1.5h', 5_400_000],
  ['2d', 172_800_000],
  ['1h30m', 5_400_000],
  ['5m 5s', 305_000],
  ['0', 0],
])('%s is %s ms', (text, ms) => {
  expect(parseDuration(text, 's')).toBe(ms);
});

it('counts a bare number as the caller says', () => {
  expect([parseDuration('15', 's'), parseDuration('15', 'ms')]).toEqual([15_000, 15]);
});

it.each(['', 'soon', '-5m', '10 weeks', '10 minutes', '1e9', 'm', '5m5', '9'.repeat(400)])('"%s" is none', (text) => {
  expect(parseDuration(text, 's')).toBeNull();
});
