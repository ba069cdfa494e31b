import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigSchema } from '../../src/config/schema.js';
import { createApp } from '../../src/server/http/app.js';
import type { ServerContext } from '../../src/server/http/context.js';

const SDP = { 'content-type': 'application/sdp' };
const FRAGMENT = { 'content-type': 'application/trickle-ice-sdpfrag' };
const viewers = new Set<string>();
let app: FastifyInstance;

beforeAll(async () => {
  const session = {
    id: 'main',
    live: true,
    addViewer: (id: string) => (viewers.add(id), 'the answer'),
    hasViewer: (id: string) => viewers.has(id),
    removeViewer: (id: string) => viewers.delete(id),
  };
  const context = {
    config: ConfigSchema.parse({}),
    metrics: { http: { watch: () => undefined } },
    monitor: {},
    memory: { admit: () => undefined },
    sessions: { get: () => session },
    shuttingDown: () => false,
  };
  app = await createApp(context as unknown as ServerContext);
});
afterAll(() => app.close());

const post = (url = '/whep/main') => app.inject({ method: 'POST', url, headers: SDP, payload: 'v=0' });

it('answers an offer, also with a slash at the end', async () => {
  for (const url of ['/whep/main', '/whep/main/']) {
    const answer = await post(url);
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['content-type']).toBe('application/sdp');
    expect(answer.headers.location).toMatch(/^\/whep\/main\/[\w-]+$/);
  }
});

it('says on OPTIONS what may be posted, and to whom', async () => {
  for (const origin of [{}, { origin: 'https://shop.example', 'access-control-request-method': 'POST' }]) {
    const answer = await app.inject({ method: 'OPTIONS', url: '/whep/main', headers: origin });
    expect(answer.statusCode).toBe(204);
    expect(answer.headers['accept-post']).toBe('application/sdp');
    if ('origin' in origin) expect(answer.headers['access-control-allow-origin']).toBe(origin.origin);
  }
});

it('keeps to If-Match, and does not pretend to restart ICE', async () => {
  const { location, etag } = (await post()).headers;
  const patch = async (headers: object) => {
    const url = String(location);
    const answer = await app.inject({ method: 'PATCH', url, headers: { ...FRAGMENT, ...headers }, payload: 'a=x' });
    return answer.statusCode;
  };
  expect(await patch({})).toBe(204);
  expect(await patch({ 'if-match': String(etag) })).toBe(204);
  expect(await patch({ 'if-match': `"other", ${String(etag)}` })).toBe(204);
  expect(await patch({ 'if-match': '"other"' })).toBe(412);
  expect(await patch({ 'if-match': '*' })).toBe(422);
  expect((await app.inject({ method: 'DELETE', url: String(location) })).statusCode).toBe(200);
  expect((await app.inject({ method: 'DELETE', url: String(location) })).statusCode).toBe(404);
  expect(await patch({})).toBe(404);
});

it('says which type an offer and a change have', async () => {
  const { location } = (await post()).headers;
  for (const [method, url] of [
    ['POST', '/whep/main'],
    ['PATCH', String(location)],
  ] as const) {
    const answer = await app.inject({ method, url, payload: { candidates: [] } });
    expect(answer.statusCode).toBe(415);
    expect(answer.json().error.message).toMatch(/trickle-ice-sdpfrag/);
    const wrong = await app.inject({ method, url, headers: method === 'POST' ? FRAGMENT : SDP, payload: 'v=0' });
    expect(wrong.statusCode).toBe(415);
  }
});

it('says which methods a path has', async () => {
  const refusal = async (method: 'GET' | 'PUT' | 'POST', url: string) => {
    const { statusCode, headers } = await app.inject({ method, url });
    return [statusCode, headers['allow']];
  };
  expect(await refusal('GET', '/whep/main')).toEqual([405, 'OPTIONS, POST']);
  expect(await refusal('GET', '/whep/main/some-viewer?x=1')).toEqual([405, 'DELETE, PATCH']);
  expect(await refusal('GET', '/api/v1/shutdown')).toEqual([405, 'POST']);
  expect(await refusal('PUT', '/')).toEqual([405, 'GET, HEAD']);
  expect(await refusal('GET', '/nothing')).toEqual([404, undefined]);
});
