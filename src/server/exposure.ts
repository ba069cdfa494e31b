import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether an address is one that only this machine reaches. */
export function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Whether a server that listens on `host` can be reached from other machines. A name that resolves to nothing can not. */
export async function isExposed(host: string): Promise<boolean> {
  const addresses = await lookup(host, { all: true }).catch(() => []);
  return addresses.some(({ address }) => !isLoopback(address));
}

/** Throws `config_invalid` for a server that everybody on the network could use. */
export function checkExposure({ host, token, insecure }: Config['server'], exposed: boolean): void {
  if (!exposed || token !== undefined || insecure) return;
  throw new DhError('config_invalid', `Everybody who reaches ${host} could use the API: server.token is not set.`, {
    hint: 'Set one, as in DH_LIVE_SERVER_TOKEN=$(openssl rand -hex 16), or say --insecure.',
  });
}
