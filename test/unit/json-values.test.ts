import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countValues } from '../../src/server/http/json-values.js';

/** One for each object and list, and one for each value in it but the first. */
function values(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 0;
  const inside = Object.values(json);
  return 1 + Math.max(0, inside.length - 1) + inside.reduce<number>((sum, each) => sum + values(each), 0);
}

it('counts the values of any JSON, whatever its strings hold', () => {
  const tricky = fc.stringMatching(/^[a"\\,[{é]{0,12}$/);
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 4 },
      tricky,
      fc.integer(),
      fc.constant(null),
      fc.array(tie('json')),
      fc.dictionary(tricky, tie('json')),
    ),
  }));
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 1), (value, indent) => {
      expect(countValues(Buffer.from(JSON.stringify(value, null, indent)), 1e9)).toBe(values(value));
    }),
  );
});

it('stops soon after the most, and at the end of what is cut off', () => {
  expect(countValues(Buffer.from('['.repeat(1e6)), 10)).toBe(11);
  expect(countValues(Buffer.from('["a,b'), 10)).toBe(1);
  expect(countValues(Buffer.from('["a\\'), 10)).toBe(1);
});
