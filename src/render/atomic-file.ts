import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskError } from './disk-error.js';

/**
 * Writes a file so that it is there whole or not at all, also after a power cut: under another name, onto the disk, then
 * renamed. Throws DhError `disk_full` or `write_failed`.
 */
export async function writeAtomically(path: string, content: string): Promise<void> {
  const hidden = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(hidden, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(hidden, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(hidden, { force: true }).catch(() => undefined);
    throw diskError(path, error);
  }
}

/** The name itself must reach the disk; where folders cannot be opened there is nothing to do. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
