import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
// Not from `media-port.ts`: control does without the WebRTC library.
import { probeUdpPort } from '../stream/udp-port.js';

/** Where viewers' media goes: one UDP port for each stage. */
export interface MediaPorts {
  /** Address that the ports are bound to; `0.0.0.0` is all of IPv4, `::` all there are. */
  address: string;
  ports: number[];
}

/** A default port that is in use moves at most this far. */
const MAX_MOVE = 100;

/**
 * Finds the UDP ports of the stages. Ports that were set are taken as they are, because a firewall or a container may
 * know them; the default ones move on to the next that are free, so that a second server starts.
 * @param isDefault whether nobody set `stages.firstPort`
 * @throws DhError `config_invalid` when a port that was set is in use, or the address is none of this machine
 */
export async function findMediaPorts(
  { server, stages }: Pick<Config, 'server' | 'stages'>,
  count: number,
  isDefault: boolean,
): Promise<MediaPorts> {
  const address = server.mediaAddress ?? mediaAddressFor(await resolveHost(server.host));
  const ports: number[] = [];
  for (let index = 0; index < count; index++) {
    const last = ports.at(-1) ?? stages.firstPort - 1;
    const wanted = stages.firstPort === 0 ? 0 : last + 1;
    const end = isDefault && wanted !== 0 ? wanted + MAX_MOVE : wanted;
    let port: number;
    // The system may pick the same free one again: the first is not held yet.
    do port = await firstFree(wanted, Math.min(end, 65_535), address);
    while (ports.includes(port));
    ports.push(port);
  }
  return { address, ports };
}

async function firstFree(begin: number, end: number, address: string): Promise<number> {
  let error: NodeJS.ErrnoException | null = null;
  for (let port = begin; port <= end; port++) {
    const got = await probeUdpPort(port, address);
    if (typeof got === 'number') return got;
    error = got;
    if (error.code !== 'EADDRINUSE') break;
  }
  const ports = begin === end ? `UDP port ${begin}` : `None of the UDP ports ${begin} to ${end}`;
  if (error?.code === 'EADDRINUSE') {
    throw new DhError(
      'config_invalid',
      `${ports} on ${address}, for media, ${begin === end ? 'is in use' : 'is free'}.`,
      {
        hint: 'Stop what uses it, or set stages.firstPort (DH_LIVE_STAGES_FIRST_PORT) to another; 0 takes free ones.',
        cause: error,
      },
    );
  }
  throw new DhError('config_invalid', `UDP port ${begin} on ${address}, for media, cannot be bound (${error?.code}).`, {
    hint: 'Set server.host or server.mediaAddress to an address of this machine, and stages.firstPort above 1023.',
    cause: error,
  });
}

/**
 * The address of a host name, looked up once.
 * @throws DhError `config_invalid` when there is none
 */
export async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  if (host === 'localhost') return '127.0.0.1';
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new DhError(
      'config_invalid',
      `"${host}" is no name of this machine (${(error as NodeJS.ErrnoException).code}).`,
      {
        hint: 'Set server.host (--host) to an address of this machine; 0.0.0.0 is all of them.',
        cause: error,
      },
    );
  }
}

/**
 * Where media is bound when the pages are served on `host`. Firefox does not connect to 127.0.0.1, and pages on loopback
 * are often behind a reverse proxy, whose viewers come from elsewhere: so it is all addresses then.
 */
function mediaAddressFor(host: string): string {
  if (host === '::1') return '::';
  return host.startsWith('127.') ? '0.0.0.0' : host;
}
