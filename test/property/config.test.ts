import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configFields } from '../../src/config/fields.js';
import { JsonTextError, parseJsonText } from '../../src/config/json-text.js';
import { diffConfig, getAt, leafPaths, merge, mergePatch, withValue, type Json } from '../../src/config/tree.js';

/** The reason why our reader refuses a text; null when it takes it. */
function refusal(text: string): JsonTextError | null {
  try {
    parseJsonText(text);
    return null;
  } catch (error) {
    if (error instanceof JsonTextError) return error;
    throw error;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }));
const name = fc.constantFrom('a', 'b', 'c', 'port', 'limits');
const tree = fc.letrec<{ node: Json }>((tie) => ({
  node: fc.dictionary(name, fc.oneof({ depthSize: 'small' }, leaf, tie('node')), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
})).node;

describe('parseJsonText', () => {
  it('takes what JSON.parse takes, and gives the same', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1, 2), (text, indent) => {
        const pretty = JSON.stringify(JSON.parse(text), null, indent);
        expect(parseJsonText(pretty).value).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses what JSON.parse refuses: texts with something put in, taken out or cut off', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '1',
      '.',
      'e',
      '-',
      'true',
      ' ',
      '\n',
      '/',
      "'",
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.nat(5), piece, (text, at, cut, put) => {
        const place = at % (text.length + 1);
        const broken = text.slice(0, place) + put + text.slice(place + cut);
        const error = refusal(broken);
        if (error?.message.endsWith('appears twice')) return;
        expect(error === null, broken).toBe(isJson(broken));
        if (!error) return;
        const lines = broken.split('\n');
        expect(error.line).toBeLessThanOrEqual(lines.length);
        expect(error.column).toBeLessThanOrEqual((lines[error.line - 1] ?? '').length + 1);
      }),
      { numRuns: 2000 },
    );
  });

  it('knows the line and column of every key', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const text = JSON.stringify(value, null, 2);
        const { placeAt } = parseJsonText(text);
        for (const path of leafPaths(value)) {
          const place = placeAt(path)!;
          const line = text.split('\n')[place.line - 1]!;
          expect(line.slice(place.column - 1).startsWith(JSON.stringify(path.at(-1)))).toBe(true);
        }
      }),
    );
  });

  it('refuses nesting that would overflow the stack, at once', () => {
    const error = refusal('['.repeat(500_000));
    expect(error?.message).toMatch(/deeper/);
  });
});

describe('diffConfig', () => {
  it('finds nothing between equals, the same both ways, and just what makes one the other', () => {
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        expect(diffConfig(a, structuredClone(a))).toEqual([]);
        const paths = diffConfig(a, b);
        expect(diffConfig(b, a)).toEqual(paths);
        let made = a;
        // a path may be a value in one and a group in the other: what goes is taken out first
        const ordered = paths.map((path) => path.split('.'));
        for (const path of ordered) made = withValue(made, path, undefined);
        for (const path of ordered) {
          const value = leafPaths(b).some((known) => known.join('.') === path.join('.')) ? getAt(b, path) : undefined;
          if (value !== undefined) made = withValue(made, path, value);
        }
        expect(diffConfig(made, b)).toEqual([]);
      }),
    );
  });

  it('changes no tree that it is given', () => {
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const before = structuredClone([a, b]);
        diffConfig(a, b);
        merge(a, b);
        mergePatch(a, b);
        withValue(a, ['a', 'b'], 1);
        expect([a, b]).toEqual(before);
      }),
    );
  });

  it('a patch of nulls takes back what a patch has set', () => {
    fc.assert(
      fc.property(tree, (patch) => {
        const set = mergePatch({}, patch);
        const nulls = leafPaths(set).reduce<Json>((sum, path) => withValue(sum, path, null), {});
        expect(mergePatch(set, nulls)).toEqual({});
      }),
    );
  });

  it('has no setting whose name could be mistaken for a path', () => {
    for (const { path } of configFields()) for (const part of path) expect(part).toMatch(/^[a-z0-9]+$/i);
  });
});
