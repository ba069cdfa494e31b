// `npm start [-- flags of "dh-live serve"]`: makes ready what is missing, then serves.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkNode, ensureBuilt, ensureInstalled, root } from './prepare.mjs';

/** Name and parent of a process (proc(5)); nothing where there is no /proc. */
function look(pid) {
  try {
    const [, name, parent] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return { name, parent: Number(parent) };
  } catch {
    return {};
  }
}

// npm, or the shell that it runs this in.
const launcher = process.ppid;
const above = look(launcher).parent;
const underNpm = look(above).name?.startsWith('npm') === true;
checkNode();
ensureInstalled();
ensureBuilt();
const { HEAP_FLAGS, MALLOC_ENV } = await import('../dist/malloc-env.js');
const server = spawn(
  process.execPath,
  [...HEAP_FLAGS, join(root, 'dist', 'cli.js'), 'serve', ...process.argv.slice(2)],
  {
    // Over the channel it learns that this process is gone, however that went.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...MALLOC_ENV, ...process.env },
  },
);
// Ctrl+C reaches the server by itself, as it does everything in the terminal's group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => server.kill('SIGTERM'));
// A signal to npm ends npm and perhaps its shell, and never comes here.
if (process.env.npm_lifecycle_event === 'start') {
  setInterval(() => {
    if (process.ppid !== launcher || (underNpm && look(launcher).parent !== above)) server.kill('SIGTERM');
  }, 250).unref();
}
// The server reads its settings again, or ends when its terminal has gone.
process.on('SIGHUP', () => server.kill('SIGHUP'));
server.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
