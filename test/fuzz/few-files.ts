import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { readdirSync } from 'node:fs';
import { until, tone, wav } from '../support/server.js';
import { procFigures } from './proc.js';
import { isAlive } from './processes.js';
import { startTarget, type Target } from './target.js';
import type { Verdict } from './verdict.js';

/** Descriptors that are left to the server while it is called. */
const LEFT = [0, 1, 2, 3, 5];
const PRESS_MS = 1000;
const PRESS_STEP_MS = 30;
const UPGRADES = 3000;
const RELEASE_MS = 15_000;
const RELEASED_FILES = 30;

/**
 * Takes the file descriptors from the server (`prlimit`, Linux) and calls what needs some; then opens 3,000 WebSocket
 * upgrades with a wrong token and closes none. The server must live, and be well when it has descriptors again.
 */
export async function fewFiles({ say }: { say: (line: string) => void }): Promise<Verdict> {
  const verdict: Verdict = { figures: [], faults: [] };
  const target = await startTarget({ token: 'correct horse battery' });
  try {
    if (spawnSync('prlimit', ['--version']).error)
      verdict.figures.push('not run: running out of files, for want of prlimit');
    else for (const what of Object.keys(PRESSURES)) await starve(what, await living(target), verdict, say);
    await holdUpgrades(await living(target), verdict);
    const { code } = await target.server.stop();
    if (code !== 0) verdict.faults.push(`SIGTERM ended the server with ${code}`);
  } finally {
    if (isAlive(target.server.pid)) await target.server.stop('SIGKILL');
    target.remove();
  }
  return verdict;
}

/** One that was ended by what came before is started again. */
async function living(target: Target): Promise<Target> {
  const ended = await Promise.race([target.server.exited.then(() => true), pause(100).then(() => false)]);
  if (ended) await target.again();
  return target;
}

/** What takes descriptors: an upload a file, the others processes or threads. */
const PRESSURES: Readonly<Record<string, (target: Target) => Promise<unknown>>> = {
  upload: (target) => target.call('POST', '/api/v1/sessions/main/audio', wav(tone(1))),
  'upload for a render': (target) => target.call('POST', '/api/v1/renders/uploads', wav(tone(1))),
  render: (target) => target.call('POST', '/api/v1/renders', { items: [{ text: 'Hi.' }], size: '128x72' }),
  'session of another size': (target) => target.call('POST', '/api/v1/sessions', { id: 'other', preset: 'default' }),
  'change of size': (target) => target.call('PATCH', '/api/v1/sessions/main', { session: { width: 128, height: 72 } }),
  voice: (target) => target.call('POST', '/api/v1/sessions/main/say', { text: 'Salut, ça va?', language: 'fr' }),
  'lost stage': async (target) => {
    const { stages } = (await (await target.call('GET', '/api/v1/stats')).json()) as {
      stages: { pid: number | null }[];
    };
    const pid = stages[0]?.pid;
    if (typeof pid === 'number') process.kill(pid, 'SIGKILL'); // none while it is being replaced
  },
};

async function starve(what: string, target: Target, verdict: Verdict, say: (line: string) => void): Promise<void> {
  const { pid } = target.server;
  const asked = ['--pid', String(pid), '--nofile', '--output=SOFT', '--noheadings'];
  const usual = Number(spawnSync('prlimit', asked, { encoding: 'utf8' }).stdout);
  for (const left of LEFT) {
    let limit = limitThatLeaves(pid, left);
    limitFiles(pid, limit);
    const answer = PRESSURES[what]?.(target).catch(() => undefined); // whatever it answers
    const end = performance.now() + PRESS_MS;
    while (performance.now() < end && procFigures(pid)) {
      await pause(PRESS_STEP_MS);
      // What it closes meanwhile it does not get back.
      const now = limitThatLeaves(pid, left);
      if (now < limit) limitFiles(pid, (limit = now));
    }
    limitFiles(pid, usual);
    await Promise.race([answer, target.server.exited]);
    if (await isWell(target)) continue;
    const last = JSON.stringify(target.server.log.slice(-2)).slice(0, 700);
    verdict.faults.push(`${what} with ${left} descriptors left ended the server: ${last}`);
    return;
  }
  const speaks = await until(async () => {
    const answer = await target.call('POST', '/api/v1/sessions/main/say', { text: 'Well again.' });
    return answer.status === 202 || answer.status === 429;
  }, 30_000).catch(() => false);
  if (!speaks) verdict.faults.push(`after "${what}" the server takes no text, though it has its descriptors back`);
  const ready = await until(async () => (await fetch(`${target.server.url}/readyz`)).ok, 30_000).catch(() => false);
  if (!ready) verdict.faults.push(`after "${what}" the server is not ready, though it has its descriptors back`);
  say(`${what} with ${LEFT.join(', ')} descriptors left: lives`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function limitFiles(pid: number, files: number): void {
  spawnSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
}

/** The kernel hands out the lowest free number below the limit. */
function limitThatLeaves(pid: number, left: number): number {
  let used = new Set<number>();
  try {
    used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  } catch {
    // It has just ended.
  }
  let limit = 0;
  for (let free = 0; free < left || used.has(limit); limit++) if (!used.has(limit)) free += 1;
  return limit;
}

async function isWell(target: Target): Promise<boolean> {
  return until(async () => (await fetch(`${target.server.url}/healthz`)).ok, 10_000).catch(() => false);
}

/** Upgrades that are refused, from clients that never close their side. */
async function holdUpgrades(target: Target, verdict: Verdict): Promise<void> {
  const { hostname, port } = new URL(target.server.url);
  const count = (): number => procFigures(target.server.pid)?.openFiles ?? 0;
  const before = count();
  const sockets: Socket[] = [];
  let most = before;
  for (let i = 0; i < UPGRADES; i++) {
    const socket = connect({
      host: hostname,
      port: Number(port),
      localAddress: `127.0.${1 + (i % 200)}.1`,
      allowHalfOpen: true,
    });
    socket.on('error', () => undefined).resume();
    socket.write(
      'GET /api/v1/sessions/main/audio?token=wrong HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    sockets.push(socket);
    if (i % 50 === 49) {
      await pause(10);
      most = Math.max(most, count());
    }
  }
  const released = await until(() => count() <= before + RELEASED_FILES, RELEASE_MS).catch(() => false);
  const now = count();
  verdict.figures.push(`${UPGRADES} refused upgrades: ${before} open files before, at most ${most}, ${now} after`);
  if (!released) verdict.faults.push(`${UPGRADES} refused upgrades hold ${now - before} files`);
  if (!(await isWell(target))) verdict.faults.push('the server does not answer after refused upgrades');
  for (const socket of sockets) socket.destroy();
}
