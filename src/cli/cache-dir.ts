import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where drawn avatars are kept when nothing else is said: the user's cache folder. */
export function defaultCacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(base, 'dh-live');
}
