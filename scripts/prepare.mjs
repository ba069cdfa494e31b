// Makes a fresh clone ready: installs and builds what is missing. Only Node's own modules may be used here.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LEAST_NODE = [20, 19];

/** Runs a command in the project folder and ends this process when it fails. */
export function run(command, args, { quiet = false, env = process.env } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  console.error(`dh-live: "${command} ${args.join(' ')}" failed${result.error ? `: ${result.error.message}` : ''}.`);
  process.exit(result.status ?? 1);
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return;
  console.error(`dh-live needs Node ${LEAST_NODE.join('.')} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

export function ensureInstalled() {
  const stamp = join(root, 'node_modules', '.dh-live-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const complete =
    existsSync(join(root, 'node_modules', 'typescript')) && existsSync(join(root, 'node_modules', 'node-av'));
  if (complete && (!existsSync(stamp) || readFileSync(stamp, 'utf8') === lock)) {
    writeFileSync(stamp, lock);
    return;
  }
  console.log('dh-live: installing packages (once, about a minute) …');
  // Development packages too: the TypeScript compiler is one of them.
  run('npm', ['ci', '--include=dev', '--no-fund', '--no-audit', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

export function ensureBuilt() {
  const built = join(root, 'dist', '.built');
  if (existsSync(built) && statSync(built).mtimeMs >= newest(join(root, 'src'))) return;
  console.log('dh-live: building …');
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json']);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(built, '');
}

function newest(folder) {
  let latest = statSync(join(root, 'tsconfig.build.json')).mtimeMs;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) latest = Math.max(latest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return latest;
}
