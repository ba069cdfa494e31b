import type { FastifyInstance, InjectOptions } from 'fastify';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ConfigSchema } from '../../src/config/schema.js';
import { createApp } from '../../src/server/http/app.js';
import { ConnectingViewers } from '../../src/server/http/connecting-viewers.js';
import type { ServerContext } from '../../src/server/http/context.js';

const TOKEN = 'correct horse';
const STRANGER = '192.0.2.1';
const apps: FastifyInstance[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function appWith(settings: { limits?: object; server?: object; sessions?: object }): Promise<FastifyInstance> {
  const { sessions, ...rest } = settings;
  const context = {
    config: ConfigSchema.parse(rest),
    metrics: { http: { watch: () => undefined }, render: () => ({ type: 'text/plain', text: 'figures' }) },
    monitor: {},
    memory: { admit: () => undefined },
    sessions: { list: () => [], ...sessions },
    events: { on: () => undefined, off: () => undefined },
    clock: () => 0,
    shuttingDown: () => false,
  };
  const app = await createApp(context as unknown as ServerContext);
  apps.push(app);
  return app;
}

const ask = async (app: FastifyInstance, options: InjectOptions) => {
  const answer = await app.inject({ remoteAddress: STRANGER, ...options });
  return { status: answer.statusCode, retryAfter: answer.headers['retry-after'], body: answer.body };
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

it('limits calls by address, of whatever kind, but not those of this machine', async () => {
  const app = await appWith({ limits: { callsPerMinute: 3 } });
  for (const url of ['/healthz', '/nothing', '/api/v1/sessions']) await ask(app, { url });
  const refused = await ask(app, { url: '/healthz' });
  expect(refused.status).toBe(429);
  expect(JSON.parse(refused.body).error.code).toBe('rate_limited');
  expect(Number(refused.retryAfter)).toBeGreaterThan(30);
  expect((await ask(app, { url: '/healthz', remoteAddress: '192.0.2.2' })).status).toBe(200);
  for (let i = 0; i < 5; i++) expect((await ask(app, { url: '/healthz', remoteAddress: '::1' })).status).toBe(200);
});

it('counts the addresses of one IPv6 network together', async () => {
  const app = await appWith({ limits: { callsPerMinute: 1 } });
  expect((await ask(app, { url: '/healthz', remoteAddress: '2001:db8::1' })).status).toBe(200);
  expect((await ask(app, { url: '/healthz', remoteAddress: '2001:db8::ffff:1' })).status).toBe(429);
  expect((await ask(app, { url: '/healthz', remoteAddress: '2001:db8:0:1::1' })).status).toBe(200);
});

it('does not hear who guesses tokens, and minds no page that repeats an old one', async () => {
  const app = await appWith({ limits: { wrongTokensPerMinute: 2 }, server: { token: TOKEN } });
  const status = async (token: string) => (await ask(app, { url: '/metrics', headers: bearer(token) })).status;
  for (let i = 0; i < 10; i++) expect(await status('yesterday')).toBe(401);
  expect(await status(TOKEN)).toBe(200);
  expect(await status('guess 1')).toBe(401);
  expect(await status('guess 2')).toBe(429);
  expect(await status(TOKEN)).toBe(429);
  const elsewhere = { url: '/metrics', headers: bearer(TOKEN), remoteAddress: '192.0.2.2' };
  expect((await ask(app, elsewhere)).status).toBe(200);
});

it('takes the address from a proxy that is trusted, and from nobody else', async () => {
  const limits = { callsPerMinute: 1 };
  const app = await appWith({ limits, server: { trustProxy: ['127.0.0.1', '10.0.0.0/8'] } });
  const from = async (remoteAddress: string, forwarded: string) =>
    (await ask(app, { url: '/healthz', remoteAddress, headers: { 'x-forwarded-for': forwarded } })).status;
  expect(await from('127.0.0.1', '192.0.2.1')).toBe(200);
  expect(await from('10.1.2.3', 'made up, 192.0.2.9, 192.0.2.1')).toBe(429);
  expect(await from('10.1.2.3', '192.0.2.1, 192.0.2.2')).toBe(200);
  // Some proxies write ports, brackets and quotes.
  expect(await from('127.0.0.1', '192.0.2.1:4711')).toBe(429);
  expect(await from('127.0.0.1', '"[2001:db8::1]:80"')).toBe(200);
  expect(await from('127.0.0.1', '2001:db8::2')).toBe(429);
  // Not a proxy: what it says of itself counts for nothing.
  expect(await from('192.0.2.3', '192.0.2.4')).toBe(200);
  expect(await from('192.0.2.3', '192.0.2.5')).toBe(429);
});

it('asks for a token when a proxy opens to others what listens on loopback', async () => {
  const status = async (server: object, forwarded: string) => {
    const headers = { 'x-forwarded-for': forwarded };
    return (await ask(await appWith({ server }), { url: '/metrics', remoteAddress: '127.0.0.1', headers })).status;
  };
  expect(await status({}, STRANGER)).toBe(401);
  expect(await status({}, `127.0.0.1, ${STRANGER}`)).toBe(401);
  for (const hop of [`${STRANGER}:4711`, `"${STRANGER}"`, '[2001:db8::1]:80', 'unknown', '_hidden']) {
    expect(await status({}, hop), hop).toBe(401);
  }
  for (const hop of ['127.0.0.1', '127.0.0.1:4711', '::1', '[::1]:80', '::ffff:127.0.0.1']) {
    expect(await status({}, hop), hop).toBe(200);
  }
  const headers = { forwarded: `for=${STRANGER}` };
  const call = { url: '/metrics', remoteAddress: '127.0.0.1', headers };
  expect((await ask(await appWith({ server: {} }), call)).status).toBe(401);
  expect(await status({ insecure: true }, STRANGER)).toBe(200);
});

it('passes on only so many offers of an address, and of those that do not connect', async () => {
  const viewers: { id: string; state: string }[] = [];
  const addViewer = (id: string): string => (viewers.push({ id, state: 'connecting' }), 'answer');
  const session = { id: 'main', live: true, stats: { viewers }, addViewer };
  const limits = { offersPerMinute: 4, maxConnectingPerAddress: 2 };
  const app = await appWith({ limits, sessions: { get: () => session } });
  const headers = { 'content-type': 'application/sdp' };
  const offer = (remoteAddress = STRANGER) =>
    ask(app, { method: 'POST', url: '/whep/main', headers, payload: 'v=0', remoteAddress });
  expect((await offer()).status).toBe(201);
  expect((await offer()).status).toBe(201);
  const refused = await offer();
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.body).error.code).toBe('viewer_limit');
  viewers[0]!.state = 'connected';
  expect((await offer()).status).toBe(201);
  expect((await offer()).status).toBe(429);
  for (let i = 0; i < 5; i++) expect((await offer('127.0.0.1')).status).toBe(201);
});

it('forgets viewers that did not connect in time, and those that were refused', () => {
  let now = 0;
  const connecting = new ConnectingViewers(() => now);
  const session = { stats: null };
  connecting.add('a', STRANGER, session, 2);
  connecting.add('b', STRANGER, session, 2);
  expect(() => connecting.add('c', STRANGER, session, 2)).toThrow(/2 viewers/);
  connecting.remove('b');
  connecting.add('d', STRANGER, session, 2);
  expect(() => connecting.add('e', STRANGER, session, 2)).toThrow(/2 viewers/);
  now = 5_000;
  connecting.add('f', STRANGER, session, 2);
});

/** Opens a connection and sends something; resolves with what comes back until it is closed. */
function open(app: FastifyInstance, text: string): { socket: Socket; answer: Promise<string> } {
  const socket = connect({ port: (app.server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const answer = new Promise<string>((resolve) => {
    let all = '';
    socket.setEncoding('latin1').on('data', (part: string) => (all += part));
    socket.on('error', () => undefined).on('close', () => resolve(all));
    socket.on('end', () => resolve(all));
  });
  socket.write(text);
  return { socket, answer };
}

it('takes no more connections than it may hold, and says so', async () => {
  const app = await appWith({ limits: { maxConnections: 2 } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const held = [open(app, 'GET '), open(app, 'GET ')];
  expect(await open(app, '').answer).toMatch(/^HTTP\/1.1 503 [^]*connection_limit/);
  held[0]!.socket.destroy();
  const request = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  await expect.poll(async () => open(app, request).answer).toMatch(/^HTTP\/1.1 200/);
  held[1]!.socket.destroy();
});

it('opens only so many event streams, and takes a place back when one ends', async () => {
  const app = await appWith({ limits: { maxEventStreams: 2 } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const request = 'GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const opened = async (): Promise<Socket> => {
    const { socket } = open(app, request);
    const text = await new Promise<string>((resolve) => socket.once('data', resolve));
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
    return socket;
  };
  const streams = [await opened(), await opened()];
  await expect(opened()).rejects.toThrow(/503[^]*connection_limit/);
  streams[0]!.destroy();
  await expect
    .poll(() =>
      opened().then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
});
