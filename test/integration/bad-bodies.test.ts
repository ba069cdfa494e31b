import { once } from 'node:events';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, until, type Json, type TestServer } from '../support/server.js';

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-bodies-'));
  writeFileSync(join(folder, 'config.json'), '{}');
  server = await startServer({ args: ['--preset', 'low', '--config', join(folder, 'config.json')] });
}, 120_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function patch(path: string, body?: string): Promise<Json> {
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method: 'PATCH',
    ...(body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body }),
  });
  const answer = (await response.json()) as Json;
  return { status: response.status, ...answer.error };
}
const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const many = JSON.stringify(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key${i}`, i])));

describe.each(['config', 'sessions/main'])('PATCH /%s refuses with a reason and a hint', (path) => {
  it.each([
    ['an empty body', '', /empty/],
    [
      'a text that breaks off',
      '{"session":\n  {"bitrateKbps":',
      /line 2, column 18: it ends where a value should stand/,
    ],
    ['a name that would reach a prototype', '{"session": {"__proto__": {"width": 2}}}', /"__proto__" can be no name/],
    ['the other way to one', '{"constructor": {"prototype": {"width": 2}}}', /"constructor" can be no name/],
    ['thousands of levels', nested(6000), /nested deeper than 64 levels/],
    ['thousands of levels in a list', `{"session": ${'['.repeat(9000)}${']'.repeat(9000)}}`, /nested deeper/],
    ['thousands of unknown names', many, /key0/],
    ['a name of 40,000 letters', JSON.stringify({ ['x'.repeat(40_000)]: 1 }), /xxxx/],
    ['a list', '[1]', /object/],
    ['a length that cannot be compared', '{"avatar": {"length": {"toString": 1}}}', /wrong type|avatar/],
    ['no body at all', undefined, /A change is a JSON object/],
  ])('%s', async (_what, body, reason) => {
    const { status, code, message, hint } = await patch(path, body);
    expect({ status, code }).toMatchObject({ status: 400, code: expect.stringMatching(/bad_request|config_invalid/) });
    expect(message).toMatch(reason);
    expect(hint.length).toBeGreaterThan(10);
    expect(message.length).toBeLessThan(500);
  });
});

it('a misspelt ?persist= is no change that is forgotten', async () => {
  expect(await patch('config?presist=true', '{"limits": {"maxSessions": 3}}')).toMatchObject({
    code: 'bad_request',
    message: expect.stringContaining('presist') as string,
  });
  expect((await server.get('/api/v1/config')).config.limits.maxSessions).not.toBe(3);
});

describe('a form that is none', () => {
  const broken = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF';
  it.each([
    ['without a boundary', 'multipart/form-data', 'x'],
    ['with an empty one', 'multipart/form-data; boundary=', 'x'],
    ['with another than its parts have', 'multipart/form-data; boundary=y', broken],
    ['that breaks off in its header', 'multipart/form-data; boundary=x', broken.slice(0, 40)],
    ['that breaks off in its file', 'multipart/form-data; boundary=x', broken],
  ])('%s is the mistake of who sent it', async (_what, type, body) => {
    for (const path of ['sessions/main/audio', 'renders/uploads']) {
      const url = `${server.url}/api/v1/${path}`;
      const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body });
      expect(response.status, path).toBeGreaterThanOrEqual(400);
      expect(response.status, path).toBeLessThan(500);
    }
  });
});

it('names the field that is not known, and the one that was meant', async () => {
  const say = async (body: object): Promise<string> => {
    const response = await server.post('/api/v1/sessions/main/say', body);
    return `${response.status} ${((await response.json()) as Json).error.message as string}`;
  };
  expect(await say({ txt: 'Hello' })).toBe('400 txt: there is no such field, did you mean "text"?');
  expect(await say({ text: 'Hello', volume: 3 })).toBe('400 volume: there is no such field.');
  expect(await say({ voice: 'slt' })).toBe('400 text: is missing.');
  expect(await say({ text: 7 })).toMatch(/^400 text: .*string/);
});

it('SIGHUP says when there is nothing new to read', async () => {
  const from = server.log.length;
  process.kill(server.pid, 'SIGHUP');
  await until(() => server.log.slice(from).some(({ msg }) => msg === 'settings read again: no change'));
});

it('a client that leaves in the middle of its body is no error of the server', async () => {
  const from = server.log.length;
  const { hostname, port } = new URL(server.url);
  for (const path of ['sessions/main/say', 'none', 'sessions/main/audio']) {
    const head = `POST /api/v1/${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json`;
    const socket = connect(Number(port), hostname).resume();
    socket.end(`${head}\r\nContent-Length: 100\r\n\r\n{"text":`);
    await once(socket, 'close');
  }
  process.kill(server.pid, 'SIGHUP'); // what was logged before is there when this is
  await until(() => server.log.slice(from).some(({ msg }) => msg === 'settings read again: no change'));
  expect(server.log.slice(from).filter(({ level }) => Number(level) >= 50)).toEqual([]);
});

it.each(['events', 'sessions/main/events'])('HEAD of the stream %s is answered', async (path) => {
  const answer = await fetch(`${server.url}/api/v1/${path}`, { method: 'HEAD', signal: AbortSignal.timeout(10_000) });
  expect([404, 405]).toContain(answer.status);
});
