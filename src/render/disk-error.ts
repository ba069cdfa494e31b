import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DhError } from '../errors.js';

/** What went wrong while a file was written: `disk_full`, or `write_failed`. */
export function diskError(path: string, cause: unknown): DhError {
  if (cause instanceof DhError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || /no space left|quota/i.test(message);
  return full
    ? new DhError('disk_full', `There is no space left for ${path}.`, {
        hint: 'Free some space and give the same command again; a render goes on where it was.',
        cause,
      })
    : new DhError('write_failed', `${path} cannot be written: ${message}`, {
        hint: 'Check the permissions of the folder.',
        cause,
      });
}

/** Makes a folder unless it is there. @throws DhError `disk_full`, or `write_failed` that says what is in the way. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw (await obstacle(path, error)) ?? diskError(path, error);
  }
}

async function obstacle(path: string, cause: unknown): Promise<DhError | null> {
  for (let at = path; ; at = dirname(at)) {
    const stats = await stat(at).catch(() => null);
    if (stats === null && dirname(at) !== at) continue;
    const hint = 'Choose another folder.';
    if (stats?.isDirectory() === false) {
      return new DhError('write_failed', `${path} cannot be made: ${at} is a file.`, { hint, cause });
    }
    const { code } = await access(at, constants.W_OK).then(
      () => ({ code: null }),
      (error: NodeJS.ErrnoException) => error,
    );
    if (code === null) return null;
    const reason = code === 'EROFS' ? 'is on a disk that is read-only' : 'may not be written by this user';
    return new DhError('write_failed', `${path} cannot be made: ${at} ${reason}.`, { hint, cause });
  }
}
