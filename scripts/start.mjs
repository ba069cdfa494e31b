// `npm start [-- flags of "dh-live serve"]`: makes ready what is missing, then serves.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkNode, ensureBuilt, ensureInstalled, root } from './prepare.mjs';

checkNode();
ensureInstalled();
ensureBuilt();
const { HEAP_FLAGS, MALLOC_ENV } = await import('../dist/malloc-env.js');
const server = spawn(
  process.execPath,
  [...HEAP_FLAGS, join(root, 'dist', 'cli.js'), 'serve', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: { ...MALLOC_ENV, ...process.env },
  },
);
// Ctrl+C reaches the server by itself, as it does everything in the terminal's group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => server.kill('SIGTERM'));
// The server reads its settings again, or ends when its terminal has gone.
process.on('SIGHUP', () => server.kill('SIGHUP'));
server.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
