import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freeUdpPort } from '../support/free-port.js';
import { type TestServer, startServer, until } from '../support/server.js';

let server: TestServer;
let port: number;

beforeAll(async () => {
  port = await freeUdpPort();
  server = await startServer({ args: ['--preset', 'low'], env: { DH_LIVE_STAGES_FIRST_PORT: String(port) } });
});
afterAll(() => server?.stop());

/** The socket, or null when the port is not to be had. */
async function bind(): Promise<Socket | null> {
  const socket = createSocket('udp4');
  socket.bind({ port, address: '0.0.0.0', exclusive: true });
  try {
    await once(socket, 'listening');
    return socket;
  } catch {
    socket.close();
    return null;
  }
}

it('the media port is held while nobody watches, and said in the log, the probe and the report', async () => {
  expect(await bind()).toBeNull();
  const media = { address: '0.0.0.0', ports: [port] };
  expect(await server.get('/readyz')).toEqual({ ready: true, media });
  expect(await server.get('/api/v1/report')).toMatchObject({ media });
  expect(server.log).toContainEqual(expect.objectContaining({ ...media, msg: 'media ports (UDP)' }));
});

it('a port that was set and is in use ends the start with a clear error', async () => {
  const other = startServer({ args: ['--preset', 'low'], env: { DH_LIVE_STAGES_FIRST_PORT: String(port) } });
  await expect(other).rejects.toThrow(/ended with 2/);
});

it('a stage whose port was taken between two of its processes says so, and comes back when it is free', async () => {
  const { stages } = await server.get('/api/v1/stats');
  process.kill(stages[0].pid, 'SIGKILL');
  const thief = await until(bind, 2000);
  const reasons = () => server.log.filter(({ msg }) => msg === 'stage replaced').map(({ reason }) => String(reason));
  await until(() => reasons().some((reason) => reason.includes(`UDP port ${port} on 0.0.0.0 cannot be bound`)));
  expect(reasons().join()).not.toContain('SIGABRT');
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
  thief!.close();
  await until(async () => (await fetch(`${server.url}/readyz`)).ok, 15_000);
});
