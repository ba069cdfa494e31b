import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigSchema, type Config } from '../../src/config/schema.js';
import { findMediaPorts, resolveHost } from '../../src/server/media-ports.js';
import { freeUdpPort } from '../support/free-port.js';

const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) await new Promise<void>((resolve) => socket.close(() => resolve()));
});

/** Takes a port as another program would. */
async function take(port = 0): Promise<number> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  socket.bind(port, '0.0.0.0');
  await once(socket, 'listening');
  return socket.address().port;
}

function config(server: Partial<Config['server']>, firstPort: number): Config {
  return ConfigSchema.parse({ server, stages: { firstPort } });
}

describe('media ports', () => {
  it('are those that were set, one for each stage, or the start is refused', async () => {
    const firstPort = await freeUdpPort();
    expect(await findMediaPorts(config({}, firstPort), 1, false)).toEqual({ address: '0.0.0.0', ports: [firstPort] });
    await take(firstPort);
    const refused = findMediaPorts(config({}, firstPort), 1, false);
    await expect(refused).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(refused).rejects.toThrow(`UDP port ${firstPort} on 0.0.0.0, for media, is in use.`);
    await expect(refused).rejects.toHaveProperty('hint', expect.stringContaining('stages.firstPort'));
  });

  it('move on to the next that are free when nobody set them', async () => {
    const firstPort = await take();
    const { ports } = await findMediaPorts(config({}, firstPort), 2, true);
    expect(ports[0]).toBeGreaterThan(firstPort);
    expect(ports[1]).toBeGreaterThan(ports[0]!);
  });

  it('are any free ones when that is asked for', async () => {
    const { ports } = await findMediaPorts(config({}, 0), 3, false);
    expect(ports.every((port) => port > 0)).toBe(true);
    expect(new Set(ports).size).toBe(3);
  });

  it.each([
    ['127.0.0.1', '0.0.0.0'],
    ['localhost', '0.0.0.0'],
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::'],
    ['::', '::'],
  ])('of a server on %s are bound to %s', async (host, address) => {
    expect((await findMediaPorts(config({ host }, 0), 1, false)).address).toBe(address);
  });

  it('are bound where it is set, if this machine has that address', async () => {
    expect((await findMediaPorts(config({ mediaAddress: '127.0.0.1' }, 0), 1, false)).address).toBe('127.0.0.1');
    const foreign = findMediaPorts(config({ mediaAddress: '203.0.113.7' }, 0), 1, false);
    await expect(foreign).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(foreign).rejects.toThrow('cannot be bound (EADDRNOTAVAIL)');
  });
});

it('finds the address of a name, or says that there is none', async () => {
  expect(await resolveHost('::1')).toBe('::1');
  expect(await resolveHost(hostname())).toMatch(/^[0-9a-f.:]+$/);
  await expect(resolveHost('no-such-host.invalid')).rejects.toMatchObject({ code: 'config_invalid' });
});
