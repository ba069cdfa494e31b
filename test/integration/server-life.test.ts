import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { EventLog, startServer, until, type Json, type TestServer } from '../support/server.js';

const running: TestServer[] = [];
async function start(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer({ args: ['--preset', 'low'], env });
  running.push(server);
  return server;
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
});

const main = '/api/v1/sessions/main';
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
async function stagePid(server: TestServer): Promise<number> {
  return (await server.get('/api/v1/stats')).stages[0].pid as number;
}

describe('a stage that is lost', () => {
  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'is replaced after %s; its session and its utterance go on',
    async (signal) => {
      const server = await start();
      const events = await EventLog.open(server);
      const text = 'While this is being spoken a process is lost, and comes back.';
      const whole = ((await (await server.post(`${main}/say`, { text })).json()) as Json).utteranceId;
      await events.next('utterance.ended', (data: Json) => data.utteranceId === whole, 20_000);
      const wholeMs = (await events.next('utterance.ended')).data.playedMs as number;

      const { utteranceId } = (await (await server.post(`${main}/say`, { text })).json()) as Json;
      await until(async () => (await server.get(main)).utterance?.playedMs > 1000);
      const pid = await stagePid(server);
      const killedAt = performance.now();
      process.kill(pid, signal);
      await events.next('state', ({ state }: Json) => state === 'down');
      await until(async () => (await fetch(`${server.url}/readyz`)).ok);
      // About 0.7 s, and 1.5 s more to notice that a process only stopped; a busy machine takes longer.
      expect(performance.now() - killedAt).toBeLessThan(8000);
      expect(alive(pid)).toBe(false);
      const ended = await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId, 20_000);
      // Nothing of it is lost: it ends at the same sample.
      expect(Math.abs(ended.data.playedMs - wholeMs)).toBeLessThanOrEqual(1);
      expect((await server.get('/api/v1/stats')).stages[0].restarts).toBe(1);
      events.close();
    },
    60_000,
  );

  it('answers viewers with 409 meanwhile, and interrupt with what was heard', async () => {
    const server = await start();
    const events = await EventLog.open(server);
    await server.post(`${main}/say`, { text: 'A sentence that will not come to its end, because it is interrupted.' });
    await until(async () => (await server.get(main)).utterance?.playedMs > 400);
    process.kill(await stagePid(server), 'SIGKILL');
    await events.next('state', ({ state }: Json) => state === 'down');
    const offer = { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: 'v=0' };
    const watch = await fetch(`${server.url}/whep/main`, offer);
    expect([409, 422]).toContain(watch.status); // 422 when it is back already
    if (watch.status === 409) expect(watch.headers.get('retry-after')).not.toBeNull();
    const reply = (await (await server.post(`${main}/interrupt`)).json()) as Json;
    expect(reply.playedMs).toBeGreaterThan(300);
    await until(async () => (await server.get(main)).state === 'idle');
    const { utteranceId } = (await (await server.post(`${main}/say`, { text: 'Next.' })).json()) as Json;
    await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId);
    events.close();
  }, 60_000);
});

it('keeps its stages when control itself stood still', async () => {
  const server = await start();
  const pid = await stagePid(server);
  // As a machine that is suspended or swaps: longer than stages.heartbeatTimeoutMs.
  process.kill(server.pid, 'SIGSTOP');
  await delay(3000);
  process.kill(server.pid, 'SIGCONT');
  const events = await EventLog.open(server);
  const { utteranceId } = (await (await server.post(`${main}/say`, { text: 'Still here.' })).json()) as Json;
  await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId);
  events.close();
  expect(await stagePid(server)).toBe(pid);
  expect((await server.get('/api/v1/stats')).stages[0].restarts).toBe(0);
});

describe('shutdown', () => {
  it.each(['SIGTERM', 'SIGINT', 'POST'] as const)('by %s closes everything within 3 s, exit code 0', async (how) => {
    const server = await start();
    await server.post(`${main}/say`, { text: 'I am in the middle of something.' });
    await until(async () => (await server.get(main)).state === 'speaking');
    const pids = (await server.get('/api/v1/stats')).processes.map(({ pid }: Json) => pid as number) as number[];
    const events = await EventLog.open(server); // an open connection does not hold it up
    const begin = performance.now();
    const code =
      how === 'POST' ? await server.post('/api/v1/shutdown').then(() => server.exited) : (await server.stop(how)).code;
    expect(code).toBe(0);
    expect(performance.now() - begin).toBeLessThan(3000);
    await until(() => pids.every((pid) => !alive(pid)));
    expect(server.log.at(-1)).toMatchObject({
      msg: 'stopped',
      sessions: 1,
      framesOutstanding: 0,
      chunksOutstanding: 0,
    });
    events.close();
  });

  it('of the control process by SIGKILL ends its children', async () => {
    const server = await start();
    const stage = await stagePid(server);
    await server.stop('SIGKILL');
    await until(() => !alive(stage), 3000);
  });
});

it.each(['stage/main.js', 'media/media-process.js', 'avatar/bake-worker.js'])(
  '%s ends when its parent died before it was up',
  async (entry) => {
    const options = {
      mediaPort: 40_000,
      bindAddress: '127.0.0.1',
      debugTimecode: false,
      memory: { limitBytes: 1e9, gcIntervalS: 30, checkIntervalMs: 250 },
    };
    const script = `
      import { fork } from 'node:child_process';
      const [path, options] = process.argv.slice(1);
      const child = fork(path, [options], { serialization: 'advanced', stdio: 'ignore' });
      process.stdout.write(String(child.pid), () => process.kill(process.pid, 'SIGKILL'));`;
    const args = ['--input-type=module', '-e', script, packagePath(`dist/${entry}`), JSON.stringify(options)];
    const pid = Number(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout);
    expect(pid).toBeGreaterThan(0);
    await until(() => !alive(pid));
  },
);

it('says what to do when the port is taken', async () => {
  const server = await start();
  const { port } = new URL(server.url);
  await expect(startServer({ args: ['--port', port] })).rejects.toThrow(/ended with 2/);
});

it('is not open to the network without a token', async () => {
  await expect(startServer({ args: ['--host', '0.0.0.0'] })).rejects.toThrow(/ended with 2/);
});

it('demands the token when one is set, but not for watching', async () => {
  const server = await start({ DH_LIVE_SERVER_TOKEN: 'correct horse', DH_LIVE_SERVER_HOST: '0.0.0.0' });
  const url = `${server.url}${main}`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers: { Authorization: 'Bearer wrong horse!' } })).status).toBe(401);
  expect((await fetch(url, { headers: { Authorization: 'Bearer correct horse' } })).status).toBe(200);
  expect((await fetch(`${url}?token=correct%20horse`)).status).toBe(200);
  expect((await fetch(server.url)).status).toBe(200);
  await fetch(`${server.url}/nothing?token=correct%20horse`);
  // Nor does it tell anybody: not its log, not the processes that meet strangers.
  expect(JSON.stringify(server.log)).not.toMatch(/correct(%20| |\+)horse/);
  if (!existsSync('/proc/self/environ')) return;
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
  expect(children.length).toBeGreaterThan(0);
  for (const child of children) expect(readFileSync(`/proc/${child}/environ`, 'utf8')).not.toMatch('correct horse');
});
