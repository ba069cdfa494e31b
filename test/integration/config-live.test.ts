import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WireViewer } from '../../bench/lib/wire-viewer.js';
import { startServer, until, type Json, type TestServer } from '../support/server.js';

let folder: string;
let file: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-config-'));
  file = join(folder, 'config.json');
  writeFileSync(file, '{\n  "limits": { "maxSessions": 2 }\n}');
  server = await startServer({ args: ['--preset', 'low', '--config', file] });
}, 120_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function patch(body: unknown, query = ''): Promise<Json> {
  const response = await fetch(`${server.url}/api/v1/config${query}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as Json) };
}
const config = (): Promise<Json> => server.get('/api/v1/config');
const logged = (msg: string, from = 0): Json => server.log.slice(from).find((line) => line['msg'] === msg);

describe('settings of a running server', () => {
  it('are shown with their sources, and with what can change', async () => {
    const shown = await config();
    expect(shown.config).toMatchObject({ preset: 'low', limits: { maxSessions: 2 }, session: { width: 640 } });
    expect(shown.source).toMatchObject({ 'limits.maxSessions': 'file', preset: 'flags', 'session.width': 'preset' });
    expect(shown.live).toEqual(expect.arrayContaining(['limits.maxSessions', 'logLevel', 'session.bitrateKbps']));
    expect(shown.live).not.toContain('server.port');
    expect(shown).toMatchObject({ file, needsRestart: [], refused: null });
  });

  it('change with the file, and a wrong file is refused with its line', async () => {
    let from = server.log.length;
    writeFileSync(file, '{\n  "limits": { "maxSessions": 1 }\n}');
    await until(async () => (await config()).config.limits.maxSessions === 1);
    expect(await until(() => logged('settings changed', from))).toMatchObject({
      cause: 'file',
      changed: ['limits.maxSessions'],
    });
    // the new limit counts at once
    const full = await server.post('/api/v1/sessions', { preset: 'low' });
    expect(((await full.json()) as Json).error).toMatchObject({
      code: 'session_limit',
      message: expect.stringMatching(/All 1 sessions/) as string,
    });

    from = server.log.length;
    writeFileSync(file, '{\n  "limits": { "maxSessions": 1 },\n  "sesion": {}\n}');
    const refused = await until(() => logged('new settings refused, the old ones stay', from));
    expect(refused.reason).toBe(`${file}:3:3: sesion: there is no such setting, did you mean "session"?`);
    expect((await config()).refused).toBe(refused.reason);
    expect((await config()).config.limits.maxSessions).toBe(1);
    writeFileSync(file, '{\n  "limits": { "maxSessions": 2 }\n}');
    await until(async () => (await config()).refused === null);
  });

  it('are read again after SIGHUP, and the server goes on', async () => {
    const from = server.log.length;
    writeFileSync(file, '{\n  "limits": { "maxSessions": 2, "maxTextChars": 12 }\n}');
    process.kill(server.pid, 'SIGHUP');
    await until(async () => (await config()).config.limits.maxTextChars === 12);
    await until(() => logged('settings changed', from));
    const say = (text: string) => server.post('/api/v1/sessions/main/say', { text });
    expect((await say('This is too long.')).status).toBe(413);
    expect((await say('Hello.')).status).toBe(202);
    writeFileSync(file, '{');
    process.kill(server.pid, 'SIGHUP');
    await until(() => logged('new settings refused, the old ones stay', from));
    writeFileSync(file, '{}');
    process.kill(server.pid, 'SIGHUP');
    await until(async () => (await config()).config.limits.maxTextChars === 5000);
  });

  it('change with a request', async () => {
    expect(await patch({ limits: { maxSessions: 3 }, server: { port: 1 } })).toEqual({
      status: 200,
      changed: ['limits.maxSessions'],
      needsRestart: ['server.port'],
      persisted: false,
    });
    expect(await patch({ server: { port: 1 } })).toMatchObject({ status: 409, error: { code: 'config_fixed' } });
    expect(await patch({ limits: { maxSesions: 3 } })).toMatchObject({
      status: 400,
      error: { code: 'config_invalid', message: expect.stringMatching(/did you mean "limits.maxSessions"/) as string },
    });
    expect(await patch({ preset: 'hihg' })).toMatchObject({ status: 422, error: { code: 'preset_not_found' } });
    expect(await patch({ limits: { maxSessions: null } })).toMatchObject({ changed: ['limits.maxSessions'] });
    expect(await patch({ statsIntervalS: 60 }, '?persist=true')).toMatchObject({ persisted: true });
    expect((await config()).source.statsIntervalS).toBe('file');
  });

  it('pass a new memory limit to the stages, and refuse one under the need', async () => {
    const from = server.log.length;
    expect(await patch({ memory: { maxMemoryMb: 1500 } })).toMatchObject({ changed: ['memory.maxMemoryMb'] });
    const contract = await until(() => logged('memory contract', from));
    expect(contract.limitMb).toBe(1500);
    const small = await patch({ memory: { maxMemoryMb: 20 } });
    expect(small).toMatchObject({
      status: 400,
      error: { code: 'config_invalid', message: expect.stringMatching(/the server needs \d+ MB/) as string },
    });
    expect((await config()).config.memory.maxMemoryMb).toBe(1500);
    await patch({ memory: { maxMemoryMb: null } });
  });

  it('change the sessions that run without a missing picture, but for what was asked for of one alone', async () => {
    await server.post('/api/v1/sessions', { id: 'own', preset: 'low' });
    const session = (id: string): Promise<Json> => server.get(`/api/v1/sessions/${id}`);
    await until(async () => (await server.get('/readyz')).ready);
    const { stage } = await session('main');
    const viewer = await WireViewer.open(`${server.url}/whep/main`);
    try {
      await until(() => viewer.video.length > 0);
      /** Keyframes, and pictures that are missing, since a packet; a busy machine may be too late for some. */
      const seen = async (from: { packet: number; skipped: number }) => {
        const { units, lost } = viewer.video.since(from.packet);
        const missing = units.reduce(
          (sum, { timestamp }, i) => (i === 0 ? 0 : sum + (timestamp - units[i - 1]!.timestamp) / 3600 - 1),
          0,
        );
        const { skippedFrames } = await session('main');
        expect(lost).toBe(0);
        expect(missing).toBeLessThanOrEqual(skippedFrames - from.skipped);
        return units.filter(({ keyFrame }) => keyFrame).length;
      };
      const mark = async () => ({ packet: viewer.video.length, skipped: (await session('main')).skippedFrames });
      const pictures = (from: { packet: number }, count: number) =>
        until(() => viewer.video.since(from.packet).units.length > count, 30_000);
      const patched = { idleQuality: 'full', maxQueueSize: 7, bitrateKbps: 700 };
      // It speaks all the while: idle pictures may be thinned out by the optimizer when the machine is busy.
      const { status } = await server.post('/api/v1/sessions/main/say', { text: 'We go on. '.repeat(490) });
      expect(status).toBe(202);
      await until(async () => (await session('main')).targetFps > 24, 30_000);

      let from = await mark();
      expect((await patch({ session: patched, limits: { maxViewersPerSession: 3 } })).changed).toHaveLength(4);
      await until(async () => (await session('main')).queue.capacity === 7);
      await pictures(from, 25);
      expect(await seen(from)).toBe(0);
      expect((await session('own')).queue.capacity).toBe(2);

      from = await mark();
      expect((await patch({ preset: 'default' })).changed).toEqual(
        expect.arrayContaining(['preset', 'session.height', 'session.width']),
      );
      await until(async () => (await session('main')).width === 1280, 60_000);
      await pictures({ packet: viewer.video.length }, 10);
      expect(await seen(from)).toBe(1);
      // what was set one by one stays above the preset
      expect((await session('main')).queue.capacity).toBe(7);
      expect(await session('own')).toMatchObject({ width: 640, preset: 'low' });
      expect(await session('main')).toMatchObject({ state: 'speaking' });
      expect((await server.get('/api/v1/stats')).stages[stage].restarts).toBe(0);
      await server.post('/api/v1/sessions/main/interrupt', {});
    } finally {
      await viewer.close();
    }
    const nulls = { idleQuality: null, maxQueueSize: null, bitrateKbps: null };
    await patch({ preset: null, session: nulls, limits: { maxViewersPerSession: null } });
    await until(async () => (await session('main')).width === 640, 60_000);
    await until(async () => (await session('main')).queue.capacity === 2);
    expect((await session('main')).preset).toBe('low');
    await fetch(`${server.url}/api/v1/sessions/own`, { method: 'DELETE' });
  }, 150_000);

  it('take a new access token at once, and show none', async () => {
    expect(await patch({ server: { token: 'open sesame' } })).toMatchObject({ changed: ['server.token'] });
    expect((await fetch(`${server.url}/api/v1/config`)).status).toBe(401);
    const headers = { Authorization: 'Bearer open sesame' };
    const shown = (await (await fetch(`${server.url}/api/v1/config`, { headers })).json()) as Json;
    expect(shown.config.server.token).toBe('***');
    const back = await fetch(`${server.url}/api/v1/config`, {
      method: 'PATCH',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: '{"server": {"token": null}}',
    });
    expect(back.status).toBe(200);
    expect((await fetch(`${server.url}/api/v1/config`)).status).toBe(200);
  });

  it('make the log quieter and louder', async () => {
    await patch({ logLevel: 'error' });
    let from = server.log.length;
    await patch({ limits: { maxSessions: 4 } });
    await patch({ logLevel: 'debug' });
    await until(() => logged('settings changed', from));
    expect(server.log.slice(from).filter(({ msg }) => msg === 'settings changed')).toHaveLength(1);
    from = server.log.length;
    await patch({ limits: { maxSessions: 3 } });
    await until(() => logged('settings changed', from));
  });

  it('refuse a body of 100 MB without keeping it', async () => {
    const status = await new Promise<number>((resolve, reject) => {
      const call = request(`${server.url}/api/v1/config`, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json' },
      });
      call.on('response', (response) => {
        resolve(response.statusCode ?? 0);
        response.resume();
        call.destroy();
      });
      call.on('error', reject);
      let left = 100;
      const piece = Buffer.alloc(1_000_000, ' ');
      const next = (): void => {
        while (left-- > 0 && !call.destroyed) if (!call.write(piece)) return void call.once('drain', next);
        call.end();
      };
      next();
    });
    expect(status).toBe(413);
    expect((await server.get('/healthz')).ok).toBe(true);
  });
});
