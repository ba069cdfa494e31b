import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BAKED_VERSION, type BakedAvatar, openBaked } from './baked.js';
import type { AvatarSource } from './source.js';

const SUFFIX = '.baked';
/** Files of one avatar and size that are kept: sessions may still use what was baked before the avatar was changed. */
const MAX_KEPT = 4;

/** Where the cache keeps an avatar of one size. The name changes with the avatar's fingerprint and the format. */
export function bakedPath(cacheDir: string, source: AvatarSource, width: number, height: number): string {
  const key = createHash('sha256').update(
    `${BAKED_VERSION}\n${source.name}\n${source.fingerprint}\n${width}x${height}`,
  );
  return join(cacheDir, `${prefix(source, width, height)}${key.digest('hex').slice(0, 24)}${SUFFIX}`);
}

/** A finished avatar from the cache; null when there is none or the file is damaged. */
export async function cachedBake(
  cacheDir: string,
  source: AvatarSource,
  width: number,
  height: number,
): Promise<{ baked: BakedAvatar; path: string } | null> {
  const path = bakedPath(cacheDir, source, width, height);
  try {
    const baked = openBaked(await readFile(path));
    return baked && { baked, path };
  } catch {
    return null;
  }
}

/**
 * Puts an avatar into the cache in one step, so that a reader sees all of it or nothing, and removes old
 * ones that it replaces. Returns the path, or null when the folder cannot be written.
 */
export async function storeBake(cacheDir: string, source: AvatarSource, baked: BakedAvatar): Promise<string | null> {
  const path = bakedPath(cacheDir, source, baked.outputWidth, baked.outputHeight);
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await mkdir(cacheDir, { recursive: true });
    const file = await open(part, 'wx');
    try {
      await file.writeFile(baked.blob);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch {
    await rm(part, { force: true }).catch(() => undefined);
    return null;
  }
  await removeOlder(cacheDir, prefix(source, baked.outputWidth, baked.outputHeight), path);
  return path;
}

function prefix(source: AvatarSource, width: number, height: number): string {
  return `${source.name}-${width}x${height}-`;
}

async function removeOlder(cacheDir: string, start: string, keep: string): Promise<void> {
  const names = (await readdir(cacheDir).catch(() => [])).filter(
    (name) => name.startsWith(start) && name.endsWith(SUFFIX),
  );
  const older = await Promise.all(
    names
      .map((name) => join(cacheDir, name))
      .filter((path) => path !== keep)
      .map(async (path) => ({ path, bakedAtMs: (await stat(path).catch(() => null))?.mtimeMs ?? 0 })),
  );
  older.sort((a, b) => b.bakedAtMs - a.bakedAtMs);
  for (const { path } of older.slice(MAX_KEPT - 1)) await rm(path, { force: true }).catch(() => undefined);
}
