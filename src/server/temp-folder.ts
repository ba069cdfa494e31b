import { lstat, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DhError } from '../errors.js';
import { diskError } from '../render/disk-error.js';
import { stateOf, thisProcess } from '../render/holder.js';

const PREFIX = 'dh-live-';
/** Says in a folder whose it is. */
const OWNER = 'owner.json';
/** An empty folder without an owner may be one that is just being made; not after an hour. */
const EMPTY_MS = 3_600_000;

/** Makes this process's folder for temporary files. @throws DhError `disk_full`, `write_failed`; nothing is left then. */
export async function makeTempFolder(base = tmpdir()): Promise<string> {
  let folder: string | null = null;
  try {
    folder = await mkdtemp(join(base, PREFIX));
    await writeFile(join(folder, OWNER), JSON.stringify(thisProcess()));
    return folder;
  } catch (error) {
    if (folder !== null) await rm(folder, { recursive: true, force: true });
    const { code, hint } = diskError(base, error);
    throw code === 'disk_full'
      ? new DhError(code, `There is no space left in ${base} for temporary files.`, {
          hint: 'Free some space, or set TMPDIR to a folder on another disk.',
          cause: error,
        })
      : new DhError(code, `No temporary folder can be made in ${base} (${(error as Error).message}).`, {
          hint: `${hint ?? ''} TMPDIR names another one.`,
          cause: error,
        });
  }
}

/**
 * Removes the folders of processes that are gone without having done so themselves, with the uploads in them. Those of
 * processes that live, or that run in another container and cannot be asked, stay. Returns how many were removed.
 */
export async function removeLeftFolders(now: number, base = tmpdir()): Promise<number> {
  let removed = 0;
  const me = thisProcess();
  for (const name of await readdir(base).catch(() => [])) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(base, name);
    try {
      const stats = await lstat(folder);
      if (!stats.isDirectory() || stats.uid !== (process.getuid?.() ?? stats.uid)) continue;
      const owner = await readFile(join(folder, OWNER), 'utf8').catch(() => null);
      if (owner === null) {
        if (now - stats.mtimeMs < EMPTY_MS) continue;
        await rmdir(folder); // fails when there is something in it
      } else {
        if (owner === '' || stateOf(owner, me) !== 'free') continue;
        await rm(folder, { recursive: true, force: true });
      }
      removed += 1;
    } catch {
      // It has just been removed, or belongs to somebody else.
    }
  }
  return removed;
}
