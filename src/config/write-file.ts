import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DhError } from '../errors.js';

/**
 * Replaces a file at one stroke: a reader sees the old text or the new one, also when the machine loses power. Rights stay,
 * and a symbolic link keeps pointing to the file.
 *
 * @throws DhError `disk_full`, `write_failed`; the file is as it was.
 */
export function replaceFile(path: string, text: string): void {
  let temporary: string | undefined;
  try {
    const target = realpathSync(path);
    temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
    const file = openSync(temporary, 'w', 0o600);
    try {
      fchmodSync(file, statSync(target).mode & 0o777);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new DhError(full ? 'disk_full' : 'write_failed', `The file ${path} cannot be written: ${message}`, {
      cause: error,
    });
  }
}
