import { IceUdpMuxListener } from 'node-datachannel';
import { probeUdpPort } from './udp-port.js';

/** A listener that is collected lets its port go. */
const held: IceUdpMuxListener[] = [];

/**
 * Binds the UDP port of this process until it ends. By itself the library binds a port with its first connection and
 * lets it go with the last; when somebody else takes it in between, the next viewer aborts the process. Connections of
 * this process share the port with its listener.
 * @throws Error that says why the port cannot be had
 */
export async function holdMediaPort(port: number, address: string): Promise<void> {
  // First without the library, which would only say that it failed.
  const probed = await probeUdpPort(port, address);
  if (typeof probed !== 'number') {
    throw new Error(`UDP port ${port} on ${address} cannot be bound (${probed.code}).`, { cause: probed });
  }
  held.push(new IceUdpMuxListener(port, address));
}
