import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startMockApi } from '../e2e/mock-api.js';
import { shapeMismatches } from '../support/shape.js';
import { EventLog, startServer, tone, until, wav, type Json, type TestServer } from '../support/server.js';

let server: TestServer;
/** Where the server keeps its temporary files. */
let temp: string;
beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'dh-api-'));
  server = await startServer({ args: ['--preset', 'low'], env: { DH_LIVE_LIMITS_MAX_SESSIONS: '3', TMPDIR: temp } });
}, 120_000);
afterAll(async () => {
  await server.stop();
  expect(await readdir(temp)).toEqual([]);
  await rm(temp, { recursive: true });
});

const main = '/api/v1/sessions/main';

async function errorOf(response: Response): Promise<{ status: number; code: string; message: string; hint?: string }> {
  const { error } = (await response.json()) as Json;
  return { status: response.status, ...error };
}

describe('say', () => {
  it('speaks a sentence from its start to its end', async () => {
    const events = await EventLog.open(server);
    const response = await server.post(`${main}/say`, { text: 'Good morning.' });
    expect(response.status).toBe(202);
    const { utteranceId } = (await response.json()) as Json;
    const started = await events.next('utterance.started', (data: Json) => data.utteranceId === utteranceId);
    expect(started.data.text).toBe('Good morning.');
    const ended = await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId);
    expect(ended.data.playedMs).toBeGreaterThan(500);
    expect(ended.data.playedMs).toBeLessThan(3000);
    // it takes as long as it sounds: the clock is real time
    expect(Math.abs(ended.atMs - started.atMs - ended.data.playedMs)).toBeLessThan(400);
    events.close();
  });

  it('speaks what waits in order, and interrupt ends all of it', async () => {
    const events = await EventLog.open(server);
    const ids: string[] = [];
    for (const text of ['One.', 'Two is a rather long sentence that goes on and on, and on.', 'Three.']) {
      ids.push(((await (await server.post(`${main}/say`, { text })).json()) as Json).utteranceId);
    }
    await events.next('utterance.ended', (data: Json) => data.utteranceId === ids[0]);
    await events.next('utterance.started', (data: Json) => data.utteranceId === ids[1]);
    await until(async () => (await server.get(main)).utterance?.playedMs > 300);
    expect((await server.get(main)).pending).toEqual([{ id: ids[2], text: 'Three.' }]);
    const reply = (await (await server.post(`${main}/interrupt`)).json()) as Json;
    expect(reply.utteranceId).toBe(ids[1]);
    expect(reply.playedMs).toBeGreaterThan(300);
    expect(reply.dropped).toEqual([ids[2]]);
    for (const [utteranceId, playedMs] of [[ids[1], reply.playedMs] as const, [ids[2], 0] as const]) {
      const { data } = await events.next('utterance.interrupted', (told: Json) => told.utteranceId === utteranceId);
      expect(data).toEqual({ utteranceId, playedMs });
    }
    expect(await server.get(main)).toMatchObject({ state: 'idle', utterance: null, waiting: 0, pending: [] });
    const nothing = { utteranceId: null, playedMs: 0, dropped: [] };
    expect(await (await server.post(`${main}/interrupt`)).json()).toEqual(nothing);
    events.close();
  });

  it.each([
    ['no text', {}, 400, 'bad_request'],
    ['an empty text', { text: ' \n' }, 400, 'text_empty'],
    ['nothing speakable', { text: '🙂 …' }, 400, 'text_empty'],
    ['too long a text', { text: 'a '.repeat(2600) }, 413, 'text_too_long'],
    ['1 MB of text', { text: 'word '.repeat(200_000) }, 413, 'body_too_large'],
    ['an unknown voice', { text: 'Hi', voice: 'darth' }, 422, 'voice_not_found'],
    ['an unknown field', { text: 'Hi', volume: 3 }, 400, 'bad_request'],
  ])('refuses %s', async (_name, body, status, code) => {
    expect(await errorOf(await server.post(`${main}/say`, body))).toMatchObject({ status, code });
  });

  it('takes a call that asks for another protocol as well, as Java and curl --http2 do', async () => {
    const body = JSON.stringify({ text: '🙂' });
    const headers = {
      ...{ Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA' },
      ...{ 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${server.url}${main}/say`, { method: 'POST', headers }, resolve).on('error', reject).end(body);
    });
    expect(answer.statusCode).toBe(400);
    expect(JSON.parse(await text(answer))).toMatchObject({ error: { code: 'text_empty' } });
  });

  it('refuses JSON that is none', async () => {
    const response = await fetch(`${server.url}${main}/say`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"text":',
    });
    expect(await errorOf(response)).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('says which content type it takes', async () => {
    const response = await server.post(`${main}/say`, undefined, { 'Content-Type': 'application/xml' });
    expect(await errorOf(response)).toMatchObject({ status: 415, code: 'content_type_unsupported' });
  });
});

describe('audio files', () => {
  const upload = (body: Buffer | string, type = 'audio/wav') =>
    fetch(`${server.url}${main}/audio`, {
      method: 'POST',
      headers: { 'Content-Type': type },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });

  it('speaks a WAV, also as a form', async () => {
    const events = await EventLog.open(server);
    const file = wav(tone(0.5));
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(file)]), 'a.wav');
    for (const response of [
      await upload(file),
      await fetch(`${server.url}${main}/audio`, { method: 'POST', body: form }),
    ]) {
      expect(response.status).toBe(202);
      const { utteranceId } = (await response.json()) as Json;
      const ended = await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId);
      expect(ended.data.playedMs).toBe(500);
    }
    events.close();
  });

  it('says with the answer that a file holds less than it promises', async () => {
    const whole = wav(tone(1));
    expect(await (await upload(whole)).json()).not.toHaveProperty('warning');
    const answer = (await (await upload(whole.subarray(0, 44 + 8_000))).json()) as Json;
    expect(answer.warning).toBe('cut off or damaged: holds 0.25 of 1.00 s');
  });

  it('keeps no file whose session ended while it came', async () => {
    const [folder] = (await readdir(temp)).filter((name) => name.startsWith('dh-live-'));
    const files = async () =>
      (await readdir(join(temp, folder!), { withFileTypes: true })).filter(
        (each) => each.isFile() && each.name !== 'owner.json',
      );
    await until(async () => (await files()).length === 0);
    expect((await server.post('/api/v1/sessions', { id: 'short' })).status).toBe(201);
    const file = wav(tone(0.5));
    let more: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new Uint8Array(file.subarray(0, 1000)));
        more = controller;
      },
    });
    const coming = fetch(`${server.url}/api/v1/sessions/short/audio`, { ...{ duplex: 'half' }, method: 'POST', body });
    await until(async () => (await files()).length === 1);
    expect((await fetch(`${server.url}/api/v1/sessions/short`, { method: 'DELETE' })).status).toBe(204);
    more!.enqueue(new Uint8Array(file.subarray(1000)));
    more!.close();
    expect(await errorOf(await coming)).toMatchObject({ status: 404, code: 'session_not_found' });
    await until(async () => (await files()).length === 0);
  });

  it('plays what is there of a WAV that lies about its length', async () => {
    const events = await EventLog.open(server);
    const response = await upload(wav(tone(0.4), 16_000, 0x7fff_0000));
    expect(response.status).toBe(202);
    const { utteranceId } = (await response.json()) as Json;
    const ended = await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId);
    expect(ended.data.playedMs).toBe(400);
    events.close();
  });

  it.each([
    ['a text that is called MP3', 'just some words, not sound', 'audio/mpeg'],
    ['an empty body', '', 'audio/wav'],
    ['a WAV without sound', wav(new Int16Array(0)), 'audio/wav'],
  ])('refuses %s', async (_name, body, type) => {
    const error = await errorOf(await upload(body, type));
    expect(error.status).toBe(422);
    expect(error.code).toBe('audio_invalid');
    expect(error.message.length).toBeGreaterThan(10);
  });
});

describe('sound over a WebSocket', () => {
  const open = (query: string): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}${main}/audio${query}`);
      socket.once('message', (data: Buffer) => {
        const first = JSON.parse(data.toString());
        if (first.type === 'state') resolve(socket);
        else socket.once('close', (code) => reject(new Error(`${code} ${first.error.code}: ${first.error.message}`)));
      });
      socket.once('error', reject);
    });
  /** Once the server has seen that the source before has gone: its close is not ours to wait for. */
  const openWhenFree = async (query: string): Promise<WebSocket> => (await until(() => open(query).catch(() => null)))!;

  it('is spoken as it comes, in messages of any length', async () => {
    const socket = await open('?rate=16000');
    const messages: Json[] = [];
    socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
    const pcm = tone(1);
    const bytes = Buffer.from(pcm.buffer);
    // in real time, in odd pieces
    for (let at = 0; at < bytes.length; at += 1277) {
      socket.send(bytes.subarray(at, at + 1277));
      await new Promise((resolve) => setTimeout(resolve, 39));
    }
    socket.send('{"type":"end"}');
    const ended = await until(() => messages.find(({ type }) => type === 'utterance.ended'));
    expect(ended.playedMs).toBeGreaterThan(700);
    expect(ended.playedMs).toBeLessThanOrEqual(1000);
    socket.send('this is no JSON');
    expect((await until(() => messages.find(({ type }) => type === 'error'))).error.code).toBe('bad_request');
    const second = open('?rate=16000');
    await expect(second).rejects.toThrow('4409 source_busy');
    socket.close();
  });

  it('drops the oldest of a live source that is too fast, and nothing of one that waits', async () => {
    const bytes = Buffer.from(tone(3).buffer);
    const before = (await server.get(main)).queue.drops as number;
    const live = await openWhenFree('?rate=16000');
    const events = await EventLog.open(server);
    live.send(bytes.subarray(0, bytes.length / 2));
    live.send('{"type":"end"}');
    const lossy = await events.next('utterance.ended');
    expect(lossy.data.playedMs).toBeLessThan(500);
    await until(async () => (await server.get(main)).queue.drops > before);
    live.close();

    const patient = await openWhenFree('?rate=16000&overflow=wait');
    patient.send(bytes);
    patient.send('{"type":"end"}');
    const whole = await events.next('utterance.ended', (data: Json) => data.utteranceId !== lossy.data.utteranceId);
    expect(whole.data.playedMs).toBe(3000);
    patient.close();
    events.close();
  });

  it.each([
    ...['?rate=0', '?rate=abc', '?rate=7999', '?rate=1e9'].map((query) => [query, '4400 rate_invalid']),
    ['?overflow=x', '4400 bad_request: overflow: "x"'],
  ])('refuses %s', async (query, reason) => {
    await expect(open(query)).rejects.toThrow(reason);
  });
});

describe('watching', () => {
  const whep = (body: string, headers: Record<string, string> = { 'Content-Type': 'application/sdp' }, id = 'main') =>
    fetch(`${server.url}/whep/${id}`, { method: 'POST', headers, body });

  it.each([
    ['an empty offer', '', 422, 'sdp_invalid'],
    ['a text that is no SDP', 'hello', 422, 'sdp_invalid'],
    ['a huge offer', `v=0\r\n${'a=x:y\r\n'.repeat(8000)}`, 422, 'sdp_invalid'],
    ['an endless offer', `v=0\r\n${'a=x:y\r\n'.repeat(20_000)}`, 422, 'sdp_invalid'],
  ])('refuses %s', async (_name, body, status, code) => {
    expect(await errorOf(await whep(body))).toMatchObject({ status, code });
  });

  it('refuses another content type, another session and a viewer that is not there', async () => {
    expect(await errorOf(await whep('v=0', { 'Content-Type': 'text/plain' }))).toMatchObject({ status: 415 });
    expect(await errorOf(await whep('v=0', undefined, 'nobody'))).toMatchObject({
      status: 404,
      code: 'session_not_found',
    });
    for (const method of ['PATCH', 'DELETE']) {
      const gone = await fetch(`${server.url}/whep/main/00000000-0000-4000-8000-000000000000`, { method });
      expect(await errorOf(gone)).toMatchObject({ status: 404, code: 'viewer_not_found' });
    }
  });

  it('answers the pre-flight request of any page', async () => {
    const response = await fetch(`${server.url}/whep/main`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'content-type',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://shop.example');
  });
});

describe('sessions', () => {
  it('come and go, up to the limit', async () => {
    const created = await server.post('/api/v1/sessions', { id: 'second', preset: 'low' });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe('/api/v1/sessions/second');
    expect(await errorOf(await server.post('/api/v1/sessions', { id: 'second' }))).toMatchObject({
      code: 'session_exists',
    });
    expect((await server.post('/api/v1/sessions', { preset: 'low' })).status).toBe(201);
    const full = await server.post('/api/v1/sessions', { preset: 'low' });
    expect(full.headers.get('retry-after')).not.toBeNull();
    expect(await errorOf(full)).toMatchObject({ status: 503, code: 'session_limit' });
    for (const { id } of await server.get('/api/v1/sessions')) {
      if (id !== 'main') await fetch(`${server.url}/api/v1/sessions/${id}`, { method: 'DELETE' });
    }
    expect((await server.get('/api/v1/sessions')).map(({ id }: Json) => id)).toEqual(['main']);
    const again = await fetch(`${server.url}/api/v1/sessions/second`, { method: 'DELETE' });
    expect(await errorOf(again)).toMatchObject({ status: 404, code: 'session_not_found' });
  });

  it.each([
    [{ id: '../../etc' }, 'bad_request'],
    [{ avatar: '../../etc' }, 'avatar_not_found'],
    [{ avatar: 'nobody' }, 'avatar_not_found'],
    [{ preset: '../package' }, 'preset_not_found'],
    [{ voice: 'darth' }, 'voice_not_found'],
  ])('refuses %j', async (body, code) => {
    expect((await errorOf(await server.post('/api/v1/sessions', body))).code).toBe(code);
  });
});

describe('the rest of the API', () => {
  it('has everything that the mock of it in the tests of the pages has, in the same shape', async () => {
    const mock = await startMockApi(async () => Promise.reject(new Error('Nobody watches here.')));
    const mismatches = async (path: string, init: RequestInit = {}): Promise<string[]> => {
      const headers = { 'Content-Type': 'application/json' };
      const [made, real] = await Promise.all(
        [mock.url, server.url].map(async (url) => (await fetch(url + path, { ...init, headers })).json() as Json),
      );
      // A row of the history is as long as its columns.
      if (path.includes('history')) return made.columns.filter((name: string) => !real.columns.includes(name));
      return shapeMismatches(made, real).map((line) => `${init.method ?? 'GET'} ${path} ${line}`);
    };
    const post = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });
    const found = [];
    found.push(await mismatches(`${main}/say`, post({ text: 'The same?' })));
    await until(async () => (await server.get(main)).utterance);
    await server.post(`${main}/say`, { text: 'And this one waits.' });
    mock.pending.push('And this one waits.');
    for (const path of ['sessions', 'sessions/main', 'stats', 'voices', 'avatars', 'presets', 'memory', 'alerts']) {
      found.push(await mismatches(`/api/v1/${path}`));
    }
    found.push(await mismatches('/api/v1/config'));
    found.push(await mismatches('/api/v1/history?resolution=1s'));
    found.push(await mismatches('/api/v1/report'));
    found.push(await mismatches(`${main}/interrupt`, post({})));
    found.push(await mismatches('/api/v1/sessions/nobody'));
    const change = { session: { idleQuality: 'half' } };
    found.push(await mismatches(main, { method: 'PATCH', body: JSON.stringify(change) }));
    await mock.close();
    expect(found.flat()).toEqual([]);
  });

  it('shows what there is', async () => {
    const voices = (await server.get('/api/v1/voices')) as { id: string; languages: string[] }[];
    expect(voices.some(({ languages }) => languages.some((tag) => tag.startsWith('cmn')))).toBe(true);
    expect(voices.length).toBeGreaterThan(80);
    expect((await server.get('/api/v1/avatars')).map(({ name }: Json) => name)).toContain('presenter');
    expect((await server.get('/api/v1/presets')).map(({ name }: Json) => name)).toEqual(['default', 'high', 'low']);
    const stats = await server.get('/api/v1/stats');
    expect(stats.processes.map(({ name }: Json) => name)).toEqual(expect.arrayContaining(['control', 'stage-0']));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/^dh_live_session_frames_per_second\{session="main"\} \d/m);
  });

  it('serves the pages with a policy, and nothing outside of them', async () => {
    for (const path of [
      '/',
      '/studio',
      '/web/whep.js',
      '/vendor/ffmpeg/index.js',
      '/vendor/ffmpeg-core/ffmpeg-core.js',
    ]) {
      const response = await fetch(server.url + path);
      expect(response.status, path).toBe(200);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    }
    expect((await fetch(`${server.url}/web/..%2fpackage.json`)).status).toBeGreaterThanOrEqual(400);
    expect(await errorOf(await fetch(`${server.url}/nothing`))).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('lets pages of other sites load the viewer element, and read why they may not use the API', async () => {
    const headers = { Origin: 'https://shop.example' };
    const element = await fetch(`${server.url}/web/dh-live-viewer.js`, { headers });
    expect(element.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    const preflight = { ...headers, 'Access-Control-Request-Method': 'POST' };
    const asked = await fetch(`${server.url}${main}/say`, { method: 'OPTIONS', headers: preflight });
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    const api = await fetch(`${server.url}/api/v1/stats`, { headers });
    expect(api.headers.get('access-control-allow-origin')).toBe('*');
    expect(await errorOf(api)).toMatchObject({ status: 403, code: 'origin_forbidden' });
    expect((await fetch(`${server.url}/api/v1/stats`)).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('says of every answer how browsers are to take it', async () => {
    const headersOf = async (path: string) => (await fetch(server.url + path, { redirect: 'manual' })).headers;
    for (const path of ['/', '/studio', '/web/whep.js', '/healthz', '/nothing', '/metrics', '/api/v1/stats', main]) {
      const headers = await headersOf(path);
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('referrer-policy'), path).toBe('no-referrer');
    }
    for (const path of ['/metrics', '/api/v1/stats', `${main}/nothing`]) {
      const headers = await headersOf(path);
      expect(headers.get('cache-control'), path).toBe('no-store');
      expect(headers.get('cross-origin-resource-policy'), path).toBe('same-origin');
    }
    expect((await headersOf('/studio')).get('content-security-policy')).toMatch(/frame-ancestors 'none'/);
    expect((await headersOf('/')).get('content-security-policy')).not.toMatch(/frame-ancestors/);
    expect((await headersOf('/studio/')).get('location')).toBe('../studio');
  });

  it('does not let pages of other sites use the API', async () => {
    const response = await server.post(`${main}/say`, { text: 'Hi' }, { Origin: 'https://evil.example' });
    expect(await errorOf(response)).toMatchObject({ status: 403, code: 'origin_forbidden' });
    const own = await server.post(`${main}/interrupt`, undefined, { Origin: server.url });
    expect(own.status).toBe(200);
  });
});
