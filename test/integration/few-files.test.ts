import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { type Json, startServer, type TestServer, tone, until, wav } from '../support/server.js';

/** Linux, with util-linux: where a process's limits can be set from outside. */
const CAN_LIMIT = spawnSync('prlimit', ['--version']).status === 0;
/** What throws where nobody catches it, on a signal. */
const PLANTED = `data:text/javascript,${encodeURIComponent("process.on('SIGUSR2', () => void Promise.reject(new Error('planted')))")}`;

describe.skipIf(!CAN_LIMIT)('without files to open', () => {
  let server: TestServer;
  // One connection that is open already: a new one would take a file.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  beforeAll(async () => {
    // What measures memory is to come several times while there are no files.
    const env = { DH_LIVE_MEMORY_CHECK_INTERVAL_MS: '50' };
    server = await startServer({ nodeArgs: ['--import', PLANTED], env });
  });
  afterAll(async () => {
    agent.destroy();
    await server.stop('SIGKILL');
  });

  /** Leaves the server so many files to open. */
  const leave = (spare: number): void => {
    const open = new Set(readdirSync(`/proc/${server.pid}/fd`).map(Number));
    let limit = 0;
    for (let free = 0; free < spare || open.has(limit); limit++) if (!open.has(limit)) free += 1;
    execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${limit}:`]);
  };
  const call = (method: string, path: string, body: Buffer | object = {}): Promise<{ status: number; body: Json }> =>
    new Promise((resolve, reject) => {
      const isFile = Buffer.isBuffer(body);
      const bytes = isFile ? body : Buffer.from(JSON.stringify(body));
      const type = isFile ? 'audio/wav' : 'application/json';
      const headers = { 'Content-Type': type, 'Content-Length': bytes.length };
      const asked = request(`${server.url}${path}`, { method, agent, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('end', () => resolve({ status: answer.statusCode!, body: text === '' ? null : JSON.parse(text) }));
      });
      asked.on('error', reject).end(bytes);
    });
  const stage = (): number =>
    Number(
      readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8')
        .trim()
        .split(' ')
        .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('stage/main')),
    );

  it.each([0, 1])('refuses with %s of them what needs more, and is well when there are some again', async (spare) => {
    const main = '/api/v1/sessions/main';
    expect((await call('GET', '/healthz')).status).toBe(200);
    leave(spare);
    const sound = wav(tone(0.2));
    const answers = [
      await call('POST', `${main}/audio`, sound),
      await call('POST', '/api/v1/renders/uploads', sound),
      await call('POST', '/api/v1/renders', { items: [{ text: 'Hello.' }], avatar: 'presenter', size: '320x180' }),
      await call('PATCH', main, { session: { width: 322 + 2 * spare, height: 182 + 2 * spare } }),
      await call('POST', `${main}/say`, { text: 'Guten Tag.', language: 'de' }),
    ];
    for (const { status, body } of answers) {
      if (status >= 300)
        expect([status, body.error.code]).toEqual([503, expect.stringMatching(/^(media_unav|task_l)/)]);
    }
    expect(answers.map(({ status }) => status)).toContain(503);
    process.kill(stage(), 'SIGKILL');
    const asked = until(async () => (await call('GET', '/readyz')).status === 503);
    await asked;
    execFileSync('prlimit', ['--pid', String(server.pid), '--nofile=4096:']);
    await until(async () => (await call('GET', '/readyz')).status === 200, 20_000);
    await until(async () => (await call('POST', `${main}/audio`, sound)).status === 202);
  });

  it.each([
    [64, /too few files may be open/],
    [200, /Only 200 files may be open; the server needs 256/],
  ])('says at the start that %s are too few', (files, reason) => {
    const start = `ulimit -n ${files}; exec "$0" "$1" serve --port 0`;
    const { stderr, status } = spawnSync('sh', ['-c', start, process.execPath, packagePath('dist/cli.js')]);
    expect(stderr.toString()).toMatch(reason);
    expect(status).not.toBe(0);
  });

  it('stops in order after an error that nobody expected, so that it is started anew', async () => {
    process.kill(server.pid, 'SIGUSR2');
    expect(await server.exited).toBe(70);
    const lines = server.log.map(({ level, msg }) => [level, msg]);
    expect(lines).toContainEqual([60, 'unexpected error: the server stops']);
    expect(lines).toContainEqual([30, 'stopped']);
  });
});
