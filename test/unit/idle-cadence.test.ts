import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IDLE_QUALITIES, type IdleQuality } from '../../src/config/schema.js';
import { IdleCadence } from '../../src/frames/idle-cadence.js';

function dueOf(cadence: IdleCadence, from: number, count: number, busy: boolean): number[] {
  return Array.from({ length: count }, (_, i) => from + i).filter((n) => cadence.due(n, busy));
}

test.each([
  ['full', 100, 1],
  ['half', 50, 0.5],
  ['low', 20, 0.25],
] as const)('idle at %s draws %d of 100 pictures', (quality, drawn, share) => {
  const cadence = new IdleCadence(quality);
  expect(dueOf(cadence, 0, 100, false)).toHaveLength(drawn);
  expect(cadence.bitrateShare).toBe(share);
});

test('speech is drawn whole from its first picture on, and half a second beyond its end', () => {
  const cadence = new IdleCadence('low');
  expect(dueOf(cadence, 0, 8, false)).toEqual([0, 5]);
  expect(dueOf(cadence, 8, 30, true)).toHaveLength(30);
  expect(cadence.bitrateShare).toBe(1);
  expect(dueOf(cadence, 38, 12, false)).toHaveLength(12);
  expect(cadence.bitrateShare).toBe(1);
  expect(dueOf(cadence, 50, 20, false)).toHaveLength(4);
  expect(cadence.bitrateShare).toBe(0.25);
});

test('the cheaper of profile and cap counts, and both change at once', () => {
  for (const wanted of IDLE_QUALITIES) {
    for (const cap of IDLE_QUALITIES) {
      const cadence = new IdleCadence(wanted);
      cadence.cap = cap;
      const worst = IDLE_QUALITIES[Math.max(IDLE_QUALITIES.indexOf(wanted), IDLE_QUALITIES.indexOf(cap))];
      expect(cadence.quality).toBe(worst);
    }
  }
  const cadence = new IdleCadence('full');
  dueOf(cadence, 0, 10, false);
  cadence.cap = 'low';
  expect(dueOf(cadence, 10, 20, false)).toHaveLength(4);
  cadence.cap = 'full';
  expect(dueOf(cadence, 30, 20, false)).toHaveLength(20);
});

test('whatever happens, no busy picture is left out and an idle one never waits longer than its cadence', () => {
  const step = fc.record({
    busy: fc.boolean(),
    wanted: fc.constantFrom<IdleQuality>(...IDLE_QUALITIES),
    length: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const cadence = new IdleCadence('full');
      let n = 0;
      let last = -1;
      for (const { busy, wanted, length } of steps) {
        cadence.wanted = wanted;
        for (const end = n + length; n < end; n++) {
          const due = cadence.due(n, busy);
          if (busy) expect(due).toBe(true);
          if (due) last = n;
          expect(n - last).toBeLessThan(5);
        }
      }
    }),
  );
});
