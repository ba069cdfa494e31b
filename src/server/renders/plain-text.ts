import { basename } from 'node:path';

/** A path of two or more names that begins at the root, up to what cannot be in the middle of one. */
const ABSOLUTE = /(?<![\w./:\\-])(?:[A-Za-z]:[\\/]|\/)[^\s"'`<>|:;,()[\]/\\]+(?:[\\/][^\s"'`<>|:;,()[\]/\\]*)+/g;

/**
 * What a child process told, for clients: where files lie on this machine is left out. Paths under one of `folders` lose
 * that beginning, others keep only their last name. Goes into lists and objects.
 */
export function withoutPaths<T>(told: T, folders: readonly string[]): T {
  return cleaned(told, folders) as T;
}

function cleaned(told: unknown, folders: readonly string[]): unknown {
  if (typeof told === 'string') {
    let text = told;
    for (const folder of folders) text = text.replaceAll(`${folder}/`, '').replaceAll(folder, 'its folder');
    return text.replace(ABSOLUTE, (path) => basename(path.replace(/\\/g, '/')));
  }
  if (Array.isArray(told)) return told.map((each) => cleaned(each, folders));
  if (typeof told !== 'object' || told === null) return told;
  return Object.fromEntries(Object.entries(told).map(([name, value]) => [name, cleaned(value, folders)]));
}
