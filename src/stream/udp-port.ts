import { createSocket } from 'node:dgram';

/**
 * Tries whether a UDP port can be bound, and lets it go again.
 * @param port 0: one that the system picks
 * @returns the port, or why not (`EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, …)
 */
export function probeUdpPort(port: number, address: string): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      resolve(error);
    });
    socket.bind({ port, address, exclusive: true }, () => {
      const bound = socket.address().port;
      socket.close(() => resolve(bound));
    });
  });
}
