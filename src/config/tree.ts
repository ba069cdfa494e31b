import { isDeepStrictEqual } from 'node:util';
import { DhError } from '../errors.js';

/** A JSON object. */
export type Json = Record<string, unknown>;

/** True for what settings nest in; a list is a value. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A new tree with the values of `over` in place of those of `base`; what is undefined does not count. */
export function merge(base: Json, over: Json): Json {
  const out: Json = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    if (key === '__proto__') throw new DhError('config_invalid', 'There is no setting "__proto__".');
    const old = out[key];
    out[key] = isObject(value) ? merge(isObject(old) ? old : {}, value) : value;
  }
  return out;
}

/** As `merge`, but null takes a value out (JSON Merge Patch, RFC 7396). */
export function mergePatch(base: Json, patch: Json): Json {
  return withoutNulls(merge(base, patch));
}

function withoutNulls(node: Json): Json {
  const out: Json = {};
  for (const [key, value] of Object.entries(node)) {
    const kept = isObject(value) ? withoutNulls(value) : value;
    if (kept === null || (isObject(kept) && Object.keys(kept).length === 0)) continue;
    out[key] = kept;
  }
  return out;
}

/** The paths of all values of a tree. An empty object counts as none. */
export function leafPaths(tree: Json, path: readonly string[] = []): string[][] {
  return Object.entries(tree).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return isObject(value) ? leafPaths(value, [...path, key]) : [[...path, key]];
  });
}

/** The value at a path; undefined when there is none. */
export function getAt(tree: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, key) ? (node as Json)[key] : undefined,
    tree,
  );
}

/** A new tree with another value at a path; undefined takes it out. */
export function withValue(tree: Json, path: readonly string[], value: unknown): Json {
  const [key, ...rest] = path;
  if (key === undefined) return tree;
  const old = tree[key];
  const { [key]: _old, ...others } = tree;
  const inner = rest.length === 0 ? value : withValue(isObject(old) ? old : {}, rest, value);
  return inner === undefined ? others : { ...tree, [key]: inner };
}

/** The dotted paths of the values in which two trees differ, ordered. Lists are compared as a whole. */
export function diffConfig(a: Json, b: Json): string[] {
  const paths = new Map([...leafPaths(a), ...leafPaths(b)].map((path) => [path.join('.'), path]));
  return [...paths]
    .filter(([, path]) => !isDeepStrictEqual(getAt(a, path), getAt(b, path)))
    .map(([dotted]) => dotted)
    .sort();
}
