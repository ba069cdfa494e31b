import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { reportCommand } from '../../src/cli/report.js';
import { packagePath } from '../../src/entry.js';

let server: Server;
let url: string;
let tokens: (string | undefined)[];
let status: number;
let body: string;

beforeEach(async () => {
  tokens = [];
  status = 401;
  body = '{}';
  server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
  server.closeAllConnections();
});

it('sends the token of the flag, else that of the environment, and tells what the server answers', async () => {
  const run = (...args: string[]) => reportCommand().parseAsync(['--url', url, ...args], { from: 'user' });
  vi.stubEnv('DH_LIVE_SERVER_TOKEN', undefined);
  await expect(run()).rejects.toMatchObject({ code: 'unauthorized' });
  vi.stubEnv('DH_LIVE_SERVER_TOKEN', 'from-env');
  await expect(run()).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(run('--token', 'from-flag')).rejects.toMatchObject({ code: 'unauthorized' });
  expect(tokens).toEqual([undefined, 'Bearer from-env', 'Bearer from-flag']);
});

it('takes an address without http://, and says when what answers there is no dh-live server', async () => {
  const run = () => reportCommand().parseAsync(['--url', url.replace('http://', '')], { from: 'user' });
  for ([status, body] of [
    [200, '<html>'],
    [200, 'null'],
    [200, '{}'],
    [404, '{}'],
  ] as const) {
    await expect(run()).rejects.toMatchObject({ code: 'server_unreachable' });
  }
  expect(tokens).toHaveLength(4);
});

it('ends with 2, as the monitor does, when there is no server or no address', { timeout: 60_000 }, async () => {
  for (const address of ['127.0.0.1:1', 'http://']) {
    const args = ['--import', 'tsx', packagePath('src/cli.ts'), 'report', '--url', address];
    await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({ code: 2 });
  }
});
