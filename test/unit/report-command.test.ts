import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { reportCommand } from '../../src/cli/report.js';

let server: Server;
let url: string;
let tokens: (string | undefined)[];

beforeEach(async () => {
  tokens = [];
  server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.end(JSON.stringify({ error: { code: 'unauthorized', message: 'A valid access token is needed.' } }));
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
