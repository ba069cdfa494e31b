import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { until } from '../support/server.js';

const shells: ChildProcess[] = [];
const pids: number[] = [];
afterEach(() => {
  for (const pid of [...pids.splice(0), ...shells.splice(0).map(({ pid }) => pid!)]) {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What `npm start` does: a shell that runs the script. Gives the ids of the script and of the server. */
async function npmStart(): Promise<{ shell: ChildProcess; script: number; server: number }> {
  const shell = spawn('sh', ['-c', 'node scripts/start.mjs --port 0 & echo "{\\"script\\":$!}"; wait'], {
    cwd: packagePath('.'),
    env: {
      ...process.env,
      npm_lifecycle_event: 'start',
      DH_LIVE_PRESET: 'low',
      DH_LIVE_STAGES_FIRST_PORT: '0',
      DH_LIVE_CACHE_DIR: packagePath('.cache/avatars'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  shells.push(shell);
  let script: number | undefined;
  return new Promise((resolve, reject) => {
    shell.once('exit', () => reject(new Error('the shell ended')));
    createInterface({ input: shell.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      const entry = JSON.parse(line) as { script?: number; msg?: string; pid?: number };
      if (entry.script !== undefined) pids.push((script = entry.script));
      if (script === undefined || entry.msg?.startsWith('watch http') !== true) return;
      pids.push(entry.pid!);
      resolve({ shell, script, server: entry.pid! });
    });
  });
}

describe.skipIf(process.platform === 'win32')('npm start', () => {
  it('leaves no server behind when npm and its shell are killed, nor when the script itself is', async () => {
    const [one, other] = await Promise.all([npmStart(), npmStart()]);
    one.shell.kill('SIGKILL');
    process.kill(other.script, 'SIGKILL');
    for (const pid of [one.script, one.server, other.server]) await until(() => !isAlive(pid));
  }, 60_000);
});
