import fc from 'fast-check';
import { expect, it } from 'vitest';
import { History } from '../../src/guard/history.js';
import { RingTable } from '../../src/guard/ring-table.js';

it('keeps the newest rows in order, whatever was added', () => {
  const rows = fc.array(
    fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, max: 2 ** 20, min: -(2 ** 20) }), {
      minLength: 3,
      maxLength: 3,
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), rows, (capacity, added) => {
      const table = new RingTable(capacity, 3);
      const bytes = table.bytes;
      added.forEach((row, i) => table.push(1000 * i, row));
      const kept = added.slice(-capacity);
      expect(table.length).toBe(kept.length);
      expect(table.bytes).toBe(bytes);
      kept.forEach((row, i) => {
        expect(table.time(i)).toBe(1000 * (added.length - kept.length + i));
        row.forEach((value, column) => expect(table.value(i, column)).toBe(Math.fround(value)));
      });
      expect(table.column(1)).toEqual(kept.map((row) => Math.fround(row[1]!)));
    }),
  );
});

it('gives each minute its mean and its largest value, and the summary of the last ten minutes', () => {
  const values = fc.array(fc.option(fc.integer({ min: 0, max: 100_000 })), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(values, (measured) => {
      const history = new History(['a', 'b']);
      measured.forEach((a, second) => history.add(second * 1000, { a, unknown: 7 }));
      const minutes = history.table('1m');
      expect(minutes.columns).toEqual(['atMs', 'a', 'b']);
      expect(minutes.rows).toHaveLength(Math.floor((measured.length - 1) / 60));
      minutes.rows.forEach(([atMs, mean, b], i) => {
        const known = measured.slice(60 * i, 60 * i + 60).filter((value) => value !== null);
        expect([atMs, b]).toEqual([60_000 * i, null]);
        if (known.length === 0) expect(mean).toBeNull();
        else expect(mean! / (known.reduce((x, y) => x + y, 0) / known.length || 1)).toBeCloseTo(mean === 0 ? 0 : 1, 4);
        expect(minutes.maxRows?.[i]?.[1]).toBe(known.length === 0 ? null : Math.max(...known));
      });
      const known = measured.filter((value) => value !== null).sort((x, y) => x - y);
      const { a, b } = history.summary().columns;
      expect(b).toEqual({ min: null, mean: null, p95: null, max: null });
      if (known.length === 0) return;
      expect(a).toMatchObject({ min: known[0], max: known.at(-1), p95: known[Math.ceil(0.95 * known.length) - 1] });
    }),
    { numRuns: 50 },
  );
});

it('never takes more memory than at its start', () => {
  const history = new History(['a']);
  const { bytes, limitBytes } = history.figures();
  expect(limitBytes).toBe(bytes);
  for (let second = 0; second < 100_000; second++) history.add(second * 1000, { a: second });
  expect(history.figures().bytes).toBe(bytes);
  expect(history.table('1s').rows).toHaveLength(600);
  expect(history.table('1m').rows).toHaveLength(1440);
});
