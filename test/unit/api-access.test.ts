import type { FastifyInstance } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigSchema } from '../../src/config/schema.js';
import { AudioSockets } from '../../src/server/audio-socket.js';
import { checkHost } from '../../src/server/http/access.js';
import { createApp } from '../../src/server/http/app.js';
import type { ServerContext } from '../../src/server/http/context.js';
import type { SessionRegistry } from '../../src/server/session-registry.js';

const TOKEN = 'correct horse';
const BEARER = `Authorization: Bearer ${TOKEN}`;
const OWN_HOST = '127.0.0.1:8010';
const FOREIGN = 'Origin: https://evil.example';
/** What everybody may ask for: pages, watching, and whether the server lives. */
const OPEN = /^(\/|\/studio|\/favicon\.ico|\/web\/\*|\/vendor\/.*|\/healthz|\/readyz|\/whep\/.*|\*)$/;

interface Route {
  method: string;
  url: string;
}

const routes: Route[] = [];
let app: FastifyInstance;
let port: number;
let sockets: AudioSockets;

beforeAll(async () => {
  const config = ConfigSchema.parse({ server: { token: TOKEN, allowedHosts: ['live.example'] } });
  // All routes are the real ones; only what they do is replaced, by an answer that shows that they were reached.
  const watch = (instance: FastifyInstance): void => {
    instance.addHook('onRoute', (route) => {
      for (const method of [route.method].flat()) routes.push({ method, url: route.url });
      route.handler = (_request, reply) => reply.header('X-Reached', route.url).send();
    });
  };
  const context = { config, metrics: { http: { watch } }, monitor: {}, shuttingDown: () => false };
  app = await createApp(context as unknown as ServerContext);
  await app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = app.server.address() as AddressInfo);
  const sessions = { get: () => ({ on: () => undefined, off: () => undefined }) };
  sockets = new AudioSockets(app.access, sessions as unknown as SessionRegistry, app.server);
});

afterAll(async () => {
  sockets.close();
  await app.close();
});

const encode = (path: string, which: RegExp): string =>
  path.replace(which, (letter) => `%${letter.charCodeAt(0).toString(16)}`);

/** Ways to write a path that a router, a proxy or a check may read differently from one another. */
const SPELLINGS: ((path: string) => string)[] = [
  (path) => path,
  (path) => encode(path, /[a-z]/),
  (path) => encode(path, /[a-z]/g),
  (path) => encode(path, /[a-z]/g).toUpperCase(),
  (path) => encode(path, /[a-z](?=[^a-z]*$)/),
  (path) => path.replaceAll('/', '%2f').replace('%2f', '/'),
  (path) => path.replaceAll('/', '%2F'),
  (path) => path.replaceAll('/', '%5c'),
  (path) => encode(path, /[a-z]/).replace('%', '%25'),
  (path) => path.replace('/', '/%c0%af'),
  (path) => path.toUpperCase(),
  (path) => path.replace(/[a-z]/, (letter) => letter.toUpperCase()),
  (path) => `/${path}`,
  (path) => `//${path}`,
  (path) => path.replaceAll('/', '//'),
  (path) => path.replace(/\/([^/]*)$/, '//$1'),
  (path) => path.replaceAll('/', '\\'),
  (path) => `/.${path}`,
  (path) => `/%2e${path}`,
  (path) => `/web/..${path}`,
  (path) => `/web/%2e%2e${path}`,
  (path) => `/whep/..${path}`,
  (path) => `/whep/..%2f${path.slice(1)}`,
  (path) => `/api/../${path.slice(1)}`,
  (path) => path.replace(/\/([^/]*)$/, '/./$1'),
  (path) => `${path}/`,
  (path) => `${path}//`,
  (path) => `${path}.`,
  (path) => `${path}/.`,
  (path) => `${path};x=1`,
  (path) => `${path};/../../healthz`,
  (path) => `${path}%00`,
  (path) => `${path}%20`,
  (path) => `${path}%2f`,
  (path) => `${path}?`,
  (path) => `${path}?token=`,
  (path) => `${path}?token=wrong+horse%21`,
  (path) => `${path}?Token=correct+horse`,
  (path) => `${path}#/healthz`,
  (path) => `/healthz?${path}`,
  (path) => `http://x${path}`,
  (path) => `http://127.0.0.1${path}`,
  (path) => `HTTP://X${path}`,
  (path) => `https://user:word@x:1${path}`,
  (path) => `ws://x${path}`,
  (path) => `http://x/${path}`,
  (path) => `http://x${encode(path, /[a-z]/)}`,
  (path) => `http://[::1]${path}`,
  (path) => `http:${path}`,
  (path) => `//[${path}`,
  (path) => path.slice(1),
];

/** The answer to one request that is written as it stands. */
function answerTo(method: string, target: string, headers: readonly string[], host = OWN_HOST): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers];
    socket.setEncoding('latin1').on('data', (part: string) => (text += part));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? undefined : reject(error)));
    socket.on('close', () => resolve(text));
    // Whoever is let in keeps the connection: its first message is enough.
    socket.on('data', () => (/^HTTP\/1.1 101[^]*\r\n\r\n./.test(text) ? socket.destroy() : undefined));
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
}

/** Sends each route in each spelling and returns those that reached a handler of the API. */
async function reached(of: readonly Route[], headers: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const left = of.flatMap(({ method, url }) =>
    SPELLINGS.map((spell) => ({ method, target: spell(url.replaceAll(/:\w+/g, 'main')) })),
  );
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
      const answer = await answerTo(next.method, next.target, headers);
      const [, url] = /^x-reached: (.*)\r$/im.exec(answer) ?? [];
      if (url !== undefined && !OPEN.test(url)) found.push(`${next.method} ${next.target}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return found;
}

/** Whether a handler answers when the server is called by a name. */
async function answersAs(host: string, target = '/healthz'): Promise<boolean> {
  const answer = await answerTo('GET', target, [BEARER], host);
  expect(answer).toMatch(/^HTTP\/1.1 (200 OK|403 Forbidden|400 Bad Request)\r$/m);
  return /^x-reached/im.test(answer);
}

const guarded = (): Route[] => routes.filter(({ url }) => !OPEN.test(url));

describe('the API, in every method and route and however the path is spelled', () => {
  it('has all of its routes in this test', () => {
    const urls = new Set(guarded().map(({ url }) => url));
    expect(urls).toContain('/metrics');
    expect(urls).toContain('/api/v1/shutdown');
    expect(urls).toContain('/api/v1/sessions/:id/say');
    expect(urls.size).toBeGreaterThan(25);
    expect([...urls].filter((url) => !url.startsWith('/api/v1/'))).toEqual(['/metrics']);
  });

  it('lets in who has the token: the spellings are ones that reach a handler', async () => {
    const spelled = await reached(guarded(), [BEARER]);
    for (const { method, url } of guarded()) {
      expect(spelled, `${method} ${url}`).toContain(`${method} ${url.replaceAll(/:\w+/g, 'main')}`);
    }
    expect(spelled.length).toBeGreaterThan(5 * guarded().length);
  });

  it('lets in nobody without the token', async () => {
    expect(await reached(guarded(), [])).toEqual([]);
    for (const { method, url } of guarded()) {
      const answer = await answerTo(method, url, ['Authorization: Bearer wrong horse!']);
      expect(answer, `${method} ${url}`).toMatch(/^HTTP\/1.1 401 /);
    }
  });

  it('lets in no page of another site, even with the token', async () => {
    expect(await reached(guarded(), [BEARER, FOREIGN])).toEqual([]);
    for (const { method, url } of guarded()) {
      const answer = await answerTo(method, url, [BEARER, 'Origin: null']);
      expect(answer, `${method} ${url}`).toMatch(/^HTTP\/1.1 403 /);
    }
  });
});

describe('the name by which the server is called', () => {
  it('is one of its own, or an address', async () => {
    const own = [...['localhost', 'LOCALHOST:8010', 'app.localhost', 'localhost.'], hostname(), `${hostname()}:8010`];
    const addresses = ['127.0.0.1', '192.0.2.7:8010', '[::1]:8010', '[2001:db8::1]'];
    for (const host of [...own, ...addresses, 'live.example', 'Live.Example.:443']) {
      expect(await answersAs(host), host).toBe(true);
    }
  });

  it('is no other, for no route at all', async () => {
    const names = [
      'evil.example',
      'evil.example:8010',
      'localhost.evil.example',
      'x.live.example',
      '127.0.0.1.evil.example',
    ];
    const odd = ['', ':8010', 'localhost@evil.example', 'localhost#evil.example', '[::1].evil.example', '[evil]'];
    for (const host of [...names, ...odd]) expect(await answersAs(host), host).toBe(false);
    for (const { method, url } of routes) {
      const answer = await answerTo(
        method,
        url.replaceAll(/:\w+/g, 'main').replace(/^\*/, '/any'),
        [BEARER],
        'evil.example',
      );
      expect(answer, `${method} ${url}`).toMatch(/^HTTP\/1.1 403 /);
    }
  });

  it('does not matter to who sends none, or when any is allowed', () => {
    const any = ConfigSchema.parse({ server: { allowedHosts: ['*'] } }).server;
    expect(() => checkHost(any, { headers: { host: 'evil.example' } } as IncomingMessage)).not.toThrow();
    expect(() => checkHost({ ...any, allowedHosts: [] }, { headers: {} } as IncomingMessage)).not.toThrow();
  });
});

describe('the WebSocket for sound', () => {
  const upgrade = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const open = async (headers: readonly string[], host?: string): Promise<string[]> => {
    const path = '/api/v1/sessions/main/audio';
    const all = await Promise.all(
      SPELLINGS.map(async (spell) =>
        answerTo('GET', spell(path), ['Connection: Upgrade', ...upgrade, ...headers], host),
      ),
    );
    return all.filter((answer) => /^HTTP\/1.1 101|^x-reached/im.test(answer));
  };

  it('lets nobody keep a connection that was refused', async () => {
    const path = '/api/v1/sessions/main/audio?token=wrong';
    const lines = [`GET ${path} HTTP/1.1`, `Host: ${OWN_HOST}`, 'Connection: Upgrade', ...upgrade];
    const clients = Array.from({ length: 50 }, () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined).write(`${lines.join('\r\n')}\r\n\r\n`);
      return { socket, answer: new Promise<string>((resolve) => socket.setEncoding('latin1').once('data', resolve)) };
    });
    for (const { answer } of clients) expect(await answer).toMatch(/^HTTP\/1.1 401 /);
    const open = () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)));
    await expect.poll(open).toBe(0);
    for (const { socket } of clients) socket.destroy();
  });

  it.each(['/%zz', '//[', '/api/v1/sessions/%zz/audio'])(
    'calls the path %s wrong, and no fault of its own',
    async (path) => {
      const answer = await answerTo('GET', path, ['Connection: Upgrade', ...upgrade, BEARER]);
      expect(answer).toMatch(path.startsWith('/api') ? /4400|bad_request/ : /^HTTP\/1.1 404 /);
    },
  );

  it('opens for the token', async () => {
    expect(await open([BEARER])).not.toEqual([]);
  });

  it('opens for nobody without it, for no page of another site, and under no other name', async () => {
    expect(await open([])).toEqual([]);
    expect(await open([BEARER], 'evil.example')).toEqual([]);
    expect(await open([BEARER, FOREIGN])).toEqual([]);
  });
});
