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
