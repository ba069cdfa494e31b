// `npm start [-- flags of "dh-live serve"]`: makes ready what is missing, then serves.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkNode, ensureBuilt, ensureInstalled, root } from './prepare.mjs';

checkNode();
ensureInstalled();
ensureBuilt();
// glibc reads these when a process starts: large buffers that are freed go back to the system at once.
const memory = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };
const server = spawn(process.execPath, [join(root, 'dist', 'cli.js'), 'serve', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...memory, ...process.env },
});
// Ctrl+C reaches the server by itself, as it does everything in the terminal's group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => server.kill('SIGTERM'));
server.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
