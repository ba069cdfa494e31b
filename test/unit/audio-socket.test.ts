import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AudioSockets } from '../../src/server/audio-socket.js';
import type { Access } from '../../src/server/http/access.js';
import type { SessionRegistry } from '../../src/server/session-registry.js';

/** A session that has no place for an utterance until it gets one. */
class FullSession extends EventEmitter {
  hasPlace = false;
  ended = false;
  enqueued = 0;
  enqueue = (): void => void (this.enqueued += 1);
}

let session: FullSession;
let http: Server;
let sockets: AudioSockets;
/** Lets everybody in. */
const access = { checkHost: () => undefined, countCall: async () => undefined, authorize: async () => undefined };
let client: WebSocket;
/** Three pings are due, and what is on the wire arrives. */
async function aMinute(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    vi.advanceTimersByTime(20_000);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  session = new FullSession();
  http = createServer();
  const sessions = { get: () => session } as unknown as SessionRegistry;
  sockets = new AudioSockets(access as unknown as Access, sessions, http);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  client = new WebSocket(`ws://127.0.0.1:${port}/api/v1/sessions/main/audio?overflow=wait`);
  await once(client, 'open');
});
afterEach(() => {
  client.terminate();
  sockets.close();
  http.close();
  vi.useRealTimers();
});

test('a source that the server has paused is not taken for dead, however long it waits for its turn', async () => {
  let pings = 0;
  client.on('ping', () => pings++);
  await aMinute();
  expect(pings).toBe(3);
  client.send(Buffer.alloc(320));
  await vi.waitUntil(() => session.listenerCount('event') > 0 && http.listening);
  await aMinute();
  await aMinute();
  expect(client.readyState).toBe(WebSocket.OPEN);
  session.hasPlace = true;
  session.emit('event', 'utterance.started', {});
  expect(session.enqueued).toBe(1);
  await aMinute();
  expect(client.readyState).toBe(WebSocket.OPEN);
  // One that is read and does not answer is gone.
  const closed = once(client, 'close');
  client.pause();
  await aMinute();
  client.resume();
  await closed;
});

test.each([
  ['texts that are refused', () => client.send('x')],
  ['pings', () => client.ping(Buffer.alloc(125))],
])('a client that sends %s and never reads the answers is let go', async (_what, send) => {
  const closed = once(client, 'close');
  client.pause();
  for (let turn = 1; turn % 500 !== 0 || (await connections()) > 0; turn++) {
    if (client.bufferedAmount < 100_000) for (let n = 0; n < 3; n++) send();
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.resume();
  const [code] = (await closed) as [number];
  expect(code).toBe(1006);
});

function connections(): Promise<number> {
  return new Promise((resolve, reject) =>
    http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
