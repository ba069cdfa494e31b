import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DhError } from '../errors.js';

/** Space that will be used in a folder, which need not be there yet. */
export interface SpaceNeed {
  folder: string;
  bytes: number;
}

/** What a disk has left. */
export interface FreeSpace {
  /** Tells disks apart. */
  device: number;
  freeBytes: number;
}

/** Kept free beyond what is reckoned. */
const RESERVE_BYTES = 8e6;

/** Space that is left where a folder is or will be. */
export async function freeSpace(folder: string): Promise<FreeSpace> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const [{ bavail, bsize }, { dev }] = await Promise.all([statfs(path), stat(path)]);
      return { device: dev, freeBytes: bavail * bsize };
    } catch (error) {
      if (dirname(path) === path) throw error;
    }
  }
}

/**
 * Compares needs with what is free, disk by disk. Returns the sums.
 * @throws DhError `disk_full` with the figures.
 */
export async function checkSpace(
  needs: readonly SpaceNeed[],
  free: (folder: string) => Promise<FreeSpace> = freeSpace,
): Promise<{ neededBytes: number; freeBytes: number }> {
  const disks = new Map<number, { folder: string; needed: number; freeBytes: number }>();
  for (const { folder, bytes } of needs) {
    const { device, freeBytes } = await free(folder);
    const disk = disks.get(device) ?? { folder, needed: 0, freeBytes };
    disk.needed += bytes;
    disks.set(device, disk);
  }
  for (const { folder, needed, freeBytes } of disks.values()) {
    if (needed === 0 || needed + RESERVE_BYTES <= freeBytes) continue;
    throw new DhError(
      'disk_full',
      `About ${mb(needed)} are needed on the disk of ${folder} and ${mb(RESERVE_BYTES)} kept free, ${mb(freeBytes)} are free.`,
      {
        hint: 'Free some space, or put the temporary files elsewhere with --temp.',
      },
    );
  }
  const all = [...disks.values()];
  return {
    neededBytes: all.reduce((sum, { needed }) => sum + needed, 0),
    freeBytes: Math.min(...all.map(({ freeBytes }) => freeBytes)),
  };
}

/** A size for people. */
export function mb(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`;
}
