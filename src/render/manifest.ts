import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from './atomic-file.js';
import { PREPARED_VERSION, type PreparedClip } from './prepared-clips.js';

/** What tells whether a file is still the one whose content was hashed. Times are only compared for equality. */
export interface FileStamp {
  bytes: number;
  modifiedMs: number;
  changedMs: number;
  inode: number;
  /** SHA-256 of the content. */
  hash: string;
}

/** A part that was finished. */
export interface DonePart {
  /** Hash of everything that it was made from. */
  key: string;
  file: string;
  bytes: number;
}

/** What a project remembers from run to run. */
export interface Manifest {
  version: number;
  project: string;
  /** Folder of the output. */
  output: string;
  /** Input files by path. */
  inputs: Record<string, FileStamp>;
  /** Clips by key that were found good, or prepared; the prepared sound itself may be gone. */
  clips: Record<string, PreparedClip>;
  /** The settings of the last run, for whoever looks. */
  settings: unknown;
  parts: DonePart[];
  full: DonePart | null;
}

const VERSION = 1000 + PREPARED_VERSION;

export function newManifest(project: string, output: string): Manifest {
  return { version: VERSION, project, output, inputs: {}, clips: {}, settings: null, parts: [], full: null };
}

export function manifestPath(projectFolder: string): string {
  return join(projectFolder, 'manifest.json');
}

/** The manifest of a project; a new one when there is none, or one of another version. */
export async function loadManifest(projectFolder: string, project: string, output: string): Promise<Manifest> {
  const text = await readFile(manifestPath(projectFolder), 'utf8').catch(() => null);
  if (text !== null) {
    try {
      const manifest = JSON.parse(text) as Manifest;
      if (manifest.version === VERSION && manifest.project === project) {
        // Another folder has none of the parts.
        if (manifest.output !== output) Object.assign(manifest, { output, parts: [], full: null });
        return manifest;
      }
    } catch {
      // It is written atomically: whoever damaged it gets a new one.
    }
  }
  return newManifest(project, output);
}

/** @throws DhError `disk_full`, `write_failed`. */
export async function saveManifest(projectFolder: string, manifest: Manifest): Promise<void> {
  await writeAtomically(manifestPath(projectFolder), JSON.stringify(manifest));
}
