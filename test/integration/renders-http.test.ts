import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import Fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Catalogue } from '../../src/avatar/catalogue.js';
import { RendersSchema } from '../../src/config/schema.js';
import type { ServerContext } from '../../src/server/http/context.js';
import { errorHandler } from '../../src/server/http/errors.js';
import { renderRoutes } from '../../src/server/http/render-routes.js';
import type { RenderView } from '../../src/server/renders/render-view.js';
import { Renders } from '../../src/server/renders/renders.js';
import { ChildTaskRunner } from '../../src/server/renders/task-runner.js';
import { SpeechService } from '../../src/speech/speech-service.js';

/** Waits until its list is no longer there. */
const ENDLESS = `
const fs = require('node:fs');
console.log(JSON.stringify({ event: 'progress', phase: 'prepare', share: 0.5, clipsDone: 1, clips: 2 }));
setInterval(() => {}, 1000);`;

describe('renders over HTTP', { timeout: 60_000 }, () => {
  let root: string;
  let app: FastifyInstance;
  let renders: Renders;
  let runner: ChildTaskRunner;
  let allowed: string | undefined;
  let speech: SpeechService;
  let logged: object[];

  beforeEach(async () => {
    speech = new SpeechService();
    logged = [];
    root = await mkdtemp(join(tmpdir(), 'dh-renders-'));
    allowed = undefined;
  });

  afterEach(async () => {
    await app.close();
    await renders.close();
    await speech.close();
    await rm(root, { recursive: true, force: true });
  });

  async function open(script?: string, maxWaiting = 1): Promise<void> {
    const config = () => RendersSchema.parse({ folder: allowed, maxWaiting, maxUploadsMb: 1 });
    runner = new ChildTaskRunner({ concurrency: 1, maxWaiting: () => maxWaiting });
    renders = await Renders.open({
      folder: join(root, 'renders'),
      otherwise: join(root, 'other'),
      config,
      maxUploadBytes: () => 1e6,
      runner,
      checkAvatar: async (name) => void (await new Catalogue([]).resolve(name)),
      checkVoice: (wanted) => void speech.plan({ text: 'a', ...wanted }),
      log: { warn: (fields: object) => logged.push(fields), debug: () => undefined },
      now: Date.now,
      ...(script ? { script } : {}),
    });
    app = Fastify();
    await app.register(multipart);
    app.setErrorHandler(errorHandler(pino({ level: 'silent' })));
    const context = { renders, config: { limits: { maxUploadMb: 1 } } } as unknown as ServerContext;
    await app.register(renderRoutes(context), { prefix: '/api/v1' });
  }

  const post = (body: object) => app.inject({ method: 'POST', url: '/api/v1/renders', payload: body });
  const code = (body: string) => (JSON.parse(body) as { error: { code: string } }).error.code;
  const changed = (id: string, state: string) =>
    new Promise<void>((resolve) => {
      if (renders.get(id).state === state) return resolve();
      renders.on('event', (of) => {
        if (of === id && renders.list().some((view) => view.id === id && view.state === state)) resolve();
      });
    });

  it('renders an upload and a text, and gives the files out, whole and in ranges', async () => {
    await open();
    const uploaded = await app.inject({
      method: 'POST',
      url: '/api/v1/renders/uploads',
      headers: { 'content-type': 'audio/wav' },
      payload: wav(1),
    });
    expect(uploaded.statusCode).toBe(201);
    const { id: upload } = uploaded.json<{ id: string }>();
    const made = await post({ items: [{ upload }, { text: 'Hello.' }], size: '320x180', subtitles: 'srt' });
    expect(made.statusCode).toBe(202);
    const { id } = made.json<RenderView>();
    await new Promise<void>((resolve) => {
      const check = () => renders.list().every(({ endedAtMs }) => endedAtMs !== null) && resolve();
      renders.on('event', check);
      check();
    });
    const view = (await app.inject(`/api/v1/renders/${id}`)).json<RenderView & { files: string[] }>();
    expect(view).toMatchObject({ state: 'done', error: null, progress: { percent: 100 } });
    expect(view.files).toContain('part-001.mp4');
    expect(view.files).toContain('index.json');
    const url = `/api/v1/renders/${id}/files/part-001.mp4`;
    const whole = await app.inject(url);
    expect(whole.rawPayload.toString('latin1', 4, 8)).toBe('ftyp');
    const range = await app.inject({ url, headers: { range: 'bytes=4-7' } });
    expect([range.statusCode, range.body]).toEqual([206, 'ftyp']);
    expect((await app.inject({ url, headers: { range: 'bytes=99999999-' } })).statusCode).toBe(416);
    for (const name of ['..%2Frender.json', '..%2f..%2flock', '.hidden', 'none.mp4']) {
      expect((await app.inject(`/api/v1/renders/${id}/files/${name}`)).statusCode).toBe(404);
    }
    expect((await app.inject({ method: 'DELETE', url: `/api/v1/renders/${id}` })).statusCode).toBe(204);
    expect((await app.inject(`/api/v1/renders/${id}`)).statusCode).toBe(404);
  });

  it('keeps to the allowed folder, also through links', async () => {
    await open();
    expect(code((await post({ items: [{ file: 'a.wav' }] })).body)).toBe('folder_forbidden');
    allowed = join(root, 'allowed');
    await mkdir(allowed);
    await writeFile(join(root, 'secret.wav'), wav(1));
    await symlink(join(root, 'secret.wav'), join(allowed, 'link.wav'));
    for (const file of ['../secret.wav', join(root, 'secret.wav'), 'link.wav', '../nowhere.wav']) {
      const answer = await post({ items: [{ file }] });
      expect([file, answer.statusCode, code(answer.body)]).toEqual([file, 403, 'folder_forbidden']);
    }
    expect(code((await post({ items: [{ file: 'none.wav' }] })).body)).toBe('not_found');
    expect(code((await post({ items: [] })).body)).toBe('bad_request');
    expect(code((await post({ items: [{ text: 'a', voice: '--output=/x' }] })).body)).toBe('bad_request');
  });

  it('runs one at a time, refuses what is too much, cancels, and goes on after a restart', async () => {
    const script = join(root, 'endless.cjs');
    await writeFile(script, ENDLESS);
    await open(script);
    const [first, second] = [await post({ items: [{ text: 'a' }] }), await post({ items: [{ text: 'b' }] })];
    const ids = [first, second].map((each) => each.json<RenderView>().id) as [string, string];
    await changed(ids[0], 'running');
    expect(renders.get(ids[1]).state).toBe('queued');
    expect(code((await post({ items: [{ text: 'c' }] })).body)).toBe('queue_full');
    await renders.remove(ids[0]);
    await changed(ids[1], 'running');
    expect(runner.processes()).toHaveLength(1);
    await app.close();
    await renders.close();
    expect(runner.processes()).toEqual([]);
    await open(script);
    expect(renders.list().map(({ id }) => id)).toEqual([ids[1]]);
    await changed(ids[1], 'running');
  });

  it('says that a render crashed, and refuses uploads that are too large', async () => {
    const script = join(root, 'crash.cjs');
    await writeFile(script, 'console.error("no luck"); process.exit(3);');
    await open(script);
    const { id } = (await post({ items: [{ text: 'a' }] })).json<RenderView>();
    await changed(id, 'failed');
    expect(renders.get(id).error).toMatchObject({ code: 'task_crashed' });
    expect(JSON.stringify(renders.get(id))).not.toContain('no luck');
    expect(logged).toMatchObject([{ render: id, code: 3, stderr: 'no luck' }]);
    await expect(renders.upload(Readable.from([Buffer.alloc(2e6)]))).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('tells nobody where files lie on the server', async () => {
    const script = join(root, 'teller.cjs');
    await writeFile(
      script,
      `const args = process.argv;
       const out = args[args.indexOf('-o') + 1], temp = args[args.indexOf('--temp') + 1];
       const tell = (event) => console.log(JSON.stringify(event));
       tell({ event: 'note', message: 'finished: removed 2 clips from ' + temp + '/x/clips, read "/usr/share/fonts/a.ttf"' });
       tell({ event: 'part', number: 1, file: out + '/part-001.mp4' });
       tell({ event: 'error', error: { code: 'write_failed', message: out + '/part-001.mp4 cannot be written.', hint: 'Look at ' + __dirname } });`,
    );
    await open(script);
    const events: [string, object][] = [];
    renders.on('event', (_id, name, data) => events.push([name, data]));
    const { id } = (await post({ items: [{ text: 'a' }] })).json<RenderView>();
    await changed(id, 'failed');
    const { notes, error } = renders.get(id);
    expect(notes).toEqual(['finished: removed 2 clips from temp/x/clips, read "a.ttf"']);
    expect(error).toMatchObject({ code: 'write_failed', message: 'out/part-001.mp4 cannot be written.' });
    expect(events).toContainEqual(['note', { message: notes[0] }]);
    for (const seen of [events, renders.list()]) expect(JSON.stringify(seen)).not.toContain(root);
  });

  it('leaves out what was saved of a render and is damaged, and says so', async () => {
    const script = join(root, 'endless.cjs');
    await writeFile(script, ENDLESS);
    await open(script, 4);
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await post({ items: [{ text: 'a' }] })).json<RenderView>().id);
    await app.close();
    await renders.close();
    const [cut = '', shapeless = '', aimless = '', whole = ''] = ids;
    const file = (id: string, name: string) => join(root, 'renders', id, name);
    await writeFile(file(cut, 'render.json'), '{"id": "');
    await writeFile(file(shapeless, 'render.json'), JSON.stringify({ id: shapeless, state: 'queued' }));
    await rm(file(aimless, 'flags.json'));
    await open(script, 4);
    expect(
      renders
        .list()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([aimless, whole].sort());
    expect(renders.get(aimless)).toMatchObject({ state: 'failed' });
    expect(JSON.stringify(renders.get(aimless))).not.toContain(root);
    expect(logged).toMatchObject(
      expect.arrayContaining([{ folder: join(root, 'renders', cut), err: expect.any(SyntaxError) }]),
    );
    expect(logged).toHaveLength(3);
    await changed(whole, 'running');
  });

  it.each([
    [{ avatar: 'nobody' }, 404, 'avatar_not_found'],
    [{ voice: 'nobody' }, 422, 'voice_not_found'],
    [{ items: [{ text: 'a' }, { text: 'b', voice: 'nobody' }] }, 422, 'voice_not_found'],
    [{ language: 'xx' }, 422, 'language_unsupported'],
    [{ size: '99x99' }, 400, 'bad_request'],
    [{ size: '9999x9998' }, 400, 'bad_request'],
    [{ fps: 12.5 }, 400, 'bad_request'],
    [{ fps: '1000/1' }, 400, 'bad_request'],
    [{ avatar: 'presenter', fps: 30 }, 400, 'bad_request'],
    [{ split: '200ms' }, 400, 'bad_request'],
  ])('refuses %j at once', async (wrong, status, reason) => {
    await open();
    const answer = await post({ items: [{ text: 'a' }], ...wrong });
    expect([answer.statusCode, code(answer.body)]).toEqual([status, reason]);
    expect(renders.list()).toEqual([]);
  });
});

/** Noise, 8 kHz mono. */
function wav(seconds: number): Buffer {
  const data = Buffer.alloc(seconds * 16_000);
  for (let i = 0; i < data.length; i += 2) data.writeInt16LE(((i * 7919) % 8000) - 4000, i);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [value, at] of [
    [16, 16],
    [8000, 24],
    [16_000, 28],
    [data.length, 40],
  ] as const)
    head.writeUInt32LE(value, at);
  for (const [value, at] of [
    [1, 20],
    [1, 22],
    [2, 32],
    [16, 34],
  ] as const)
    head.writeUInt16LE(value, at);
  head.write('data', 36);
  return Buffer.concat([head, data]);
}
