import { normalizeIP } from '@fastify/rate-limit';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Config } from '../../config/schema.js';
import { isLoopback } from '../exposure.js';

/** Whose connections and requests count together: an IPv4 address, or the /64 of an IPv6 one, which one client has. */
export class Clients {
  readonly #config: () => Config;
  #proxies: BlockList | null = null;

  constructor(config: () => Config) {
    this.#config = config;
  }

  /**
   * The address from which a request comes; behind proxies that are trusted, the one that they name. Null when nothing
   * is limited: this machine's own programs, among them a proxy that is not named in `server.trustProxy`.
   */
  addressOf({ socket, headers }: IncomingMessage): string | null {
    let address = socket.remoteAddress ?? '';
    for (const hop of forwardedFor(headers).reverse()) {
      if (isIP(hop) === 0 || !this.isProxy(address)) break;
      address = hop;
    }
    return address === '' || isLoopback(address) ? null : normalizeIP(address);
  }

  /** Whether connections from there are many clients' and `X-Forwarded-For` of requests says whose. */
  isProxy(address: string): boolean {
    this.#proxies ??= networks(this.#config().server.trustProxy);
    return isIP(address) !== 0 && this.#proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/**
 * The clients that proxies have written into `X-Forwarded-For`, the nearest last. Some write a port, and IPv6 addresses in
 * brackets or quotes; what is no address comes as it is.
 */
export function forwardedFor(headers: IncomingMessage['headers']): string[] {
  const hops = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  return hops.flatMap((hop) => {
    const plain = hop.trim().replace(/^"(.*)"$/, '$1');
    const [, bracketed] = /^\[([\da-f:.]+)\](?::\d+)?$/i.exec(plain) ?? [];
    const address = bracketed ?? plain.replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1');
    return address === '' ? [] : [address];
  });
}

function networks(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
