import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Path of a compiled file that is run on its own (a worker or child process), given as `./name.js` relative to the
 * caller. Children always run compiled code: when the caller itself runs from `src` (tests, benchmarks), the file
 * of the same place in `dist` is meant.
 */
export function entryPath(callerUrl: string, name: string): string {
  const path = fileURLToPath(new URL(name, callerUrl));
  return callerUrl.endsWith('.ts') ? path.replace(/([\\/])src([\\/])(?!.*[\\/]src[\\/])/, '$1dist$2') : path;
}

/** Absolute path of a file that ships with the package, given relative to its root. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}

/** The version of this package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string }).version;
}
