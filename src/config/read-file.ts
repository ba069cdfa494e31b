import { readFileSync, statSync } from 'node:fs';
import { DhError } from '../errors.js';
import { JsonTextError, parseJsonText, type Place } from './json-text.js';
import { isObject, type Json } from './tree.js';

/** A file with settings is a few hundred bytes; what is larger was meant for something else. */
const MOST_BYTES = 1_000_000;

/** A JSON file, read and understood, but not checked. */
export interface JsonFile {
  path: string;
  /** As it stands on disk. */
  text: string;
  values: Json;
  placeAt: (path: readonly (string | number)[]) => Place | null;
}

/**
 * Reads a JSON file.
 *
 * @throws DhError `config_invalid` with line, column and reason; also for a folder, a device, and what is too large.
 */
export function readJsonFile(path: string): JsonFile {
  const text = readText(path);
  return { path, text, ...parseJson(path, text) };
}

/** The text of a file. Throws `config_invalid` that names the path. */
export function readText(path: string): string {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Error(stats.isDirectory() ? 'it is a folder' : 'it is no regular file');
    if (stats.size > MOST_BYTES) throw new Error(`it has ${Math.ceil(stats.size / 1e6)} MB, at most 1 is read`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message;
    throw new DhError('config_invalid', `The file ${path} cannot be read: ${reason}`, { cause: error });
  }
}

/** Understands the text of a file. A byte order mark, as some editors write it, does not matter. */
export function parseJson(path: string, text: string): Pick<JsonFile, 'values' | 'placeAt'> {
  try {
    const { value, placeAt } = parseJsonText(text.replace(/^\uFEFF/, ''));
    if (isObject(value)) return { values: value, placeAt };
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw new DhError('config_invalid', `${path}:${error.line}:${error.column}: not JSON: ${error.message}.`, {
      cause: error,
    });
  }
  throw new DhError('config_invalid', `${path} holds no JSON object.`, {
    hint: 'It begins with "{" and ends with "}".',
  });
}
