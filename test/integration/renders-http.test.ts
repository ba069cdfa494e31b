import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
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

const HOUR = 3_600_000;

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
  /** What the clocks say: as they run, and this much more. */
  let later: { clock: number; now: number };

  beforeEach(async () => {
    speech = new SpeechService();
    logged = [];
    later = { clock: 0, now: 0 };
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
      now: () => Date.now() + later.now,
      clock: () => performance.now() + later.clock,
      ...(script ? { script } : {}),
    });
    app = Fastify();
    await app.register(multipart);
    app.setErrorHandler(errorHandler(pino({ level: 'silent' })));
    const context = { renders, config: { limits: { maxUploadMb: 1 }, renders: config() } } as unknown as ServerContext;
    await app.register(renderRoutes(context), { prefix: '/api/v1' });
  }

  const post = (body: object) => app.inject({ method: 'POST', url: '/api/v1/renders', payload: body });
  const remove = (path: string) => app.inject({ method: 'DELETE', url: `/api/v1/renders/${path}` });
  const upload = async (seconds: number): Promise<string> => {
    const headers = { 'content-type': 'audio/wav' };
    const answer = await app.inject({
      ...{ method: 'POST', url: '/api/v1/renders/uploads', headers, payload: wav(seconds) },
    });
    expect(answer.statusCode).toBe(201);
    return answer.json<{ id: string }>().id;
  };
  /** Ids of the uploads that are on the disk. */
  const kept = async () => (await readdir(join(root, 'renders', 'uploads'))).sort();
  const reopen = async (script?: string, between?: () => void) => {
    await app.close();
    await renders.close();
    between?.();
    await open(script, 4);
  };
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
    const index = await app.inject(`/api/v1/renders/${id}/files/index.json`);
    expect(index.json()).toMatchObject({ clips: [{ name: upload }, { name: 'list.json, entry 2' }] });
    expect(index.body).not.toContain(root);
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
    await rm(file(aimless, 'request.json'));
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

  it('goes on with a project that was cancelled in the middle', async () => {
    await open(undefined, 4);
    const one = await upload(1);
    const body = { project: 'p', items: Array.from({ length: 30 }, () => ({ upload: one })), split: '1s' };
    const cancelled = new Promise<void>((resolve, reject) => {
      renders.on('event', (id, name) => {
        if (name === 'part' && renders.list().length === 1) renders.remove(id).then(resolve, reject);
      });
    });
    expect((await post(body)).statusCode).toBe(202);
    await cancelled;
    expect(renders.list()).toEqual([]);
    const done = (await readdir(join(root, 'renders', 'projects', 'p', 'out'))).filter((name) => /^part-/.test(name));
    expect(done.length).toBeGreaterThan(0);
    renders.removeAllListeners('event');
    const total = new Promise<{ partsDone: number }>((resolve) => {
      renders.on('event', (_id, name, data) => name === 'total' && resolve(data as { partsDone: number }));
    });
    const { id } = (await post(body)).json<RenderView>();
    const { partsDone } = await total;
    expect(partsDone).toBeGreaterThan(0);
    expect(partsDone).toBeLessThanOrEqual(done.length);
    await changed(id, 'done');
    expect(await renders.files(id)).toHaveLength(31);
  });

  it('goes on with a project that was deleted from the list, or when the server began anew', async () => {
    await open(undefined, 4);
    const totals: { parts: number; partsDone: number }[] = [];
    const follow = () => renders.on('event', (_id, name, data) => name === 'total' && totals.push(data as never));
    follow();
    const [one, two, three] = [await upload(1), await upload(2), await upload(1)];
    const render = async (items: object[]): Promise<string> => {
      const made = await post({ project: 'course-1', items, size: '128x72', split: '1s' });
      expect(made.statusCode).toBe(202);
      const { id, project } = made.json<RenderView>();
      expect(project).toBe('course-1');
      await changed(id, 'done');
      return id;
    };
    const first = await render([{ upload: one }, { upload: two }]);
    const part = join(root, 'renders', 'projects', 'course-1', 'out', 'part-001.mp4');
    const { ino } = await stat(part);
    expect((await app.inject('/api/v1/renders/projects')).json()).toEqual([{ project: 'course-1', render: first }]);
    expect((await remove(first)).statusCode).toBe(204);
    expect((await app.inject('/api/v1/renders/projects')).json()).toEqual([{ project: 'course-1', render: null }]);
    await reopen();
    follow();
    // The first part is as it was: only what came, and the part that it follows, is made.
    const second = await render([{ upload: one }, { upload: two }, { upload: three }]);
    expect(totals).toMatchObject([
      { parts: 2, partsDone: 0 },
      { parts: 3, partsDone: 1 },
    ]);
    expect((await stat(part)).ino).toBe(ino);
    expect(await renders.files(second)).toEqual(['index.json', 'part-001.mp4', 'part-002.mp4', 'part-003.mp4']);
    const index = await app.inject(`/api/v1/renders/${second}/files/index.json`);
    expect(index.json()).toMatchObject({ project: 'course-1', clips: [{ name: one }, { name: two }, { name: three }] });
    // A third one takes the place of the second: what that told is no longer so.
    const third = await render([{ upload: one }]);
    expect((await app.inject(`/api/v1/renders/${second}`)).statusCode).toBe(404);
    expect(await renders.files(third)).toEqual(['index.json', 'part-001.mp4']);
    expect((await remove('projects/course-1')).statusCode).toBe(204);
    expect(renders.list()).toEqual([]);
    expect(await readdir(join(root, 'renders', 'projects'))).toEqual([]);
    expect(await kept()).toEqual([two, three].sort()); // they are not in the render that was removed
    expect((await remove('projects/course-1')).statusCode).toBe(404);
  });

  it('lets one render at a time work on a project, and other projects beside it', async () => {
    const script = join(root, 'endless.cjs');
    await writeFile(script, ENDLESS);
    await open(script, 4);
    const make = (project: string) => post({ project, items: [{ text: 'a' }] });
    const { id } = (await make('a')).json<RenderView>();
    const refused = await make('a');
    expect([refused.statusCode, code(refused.body)]).toEqual([409, 'render_busy']);
    expect(refused.body).not.toContain(root);
    expect((await make('b')).statusCode).toBe(202);
    await mkdir(join(root, 'renders', 'projects', 'a'));
    expect((await remove('projects/a')).statusCode).toBe(409);
    await reopen(script);
    expect((await make('a')).statusCode).toBe(409);
    // Both at once: one of them gets it, when its process is gone.
    const [cancelled, next] = await Promise.all([remove(id), make('a')]);
    expect([cancelled.statusCode, next.statusCode]).toEqual([204, 409]);
    expect((await make('a')).statusCode).toBe(202);
    // What is refused for another reason does not keep the project.
    expect((await post({ project: 'c', items: [{ file: 'a' }] })).statusCode).toBe(403);
    expect((await make('c')).statusCode).toBe(202);
  });

  it.each([
    '..',
    '.',
    '../x',
    'a/b',
    'a\\b',
    '/tmp/x',
    '.hidden',
    '-o',
    '',
    'a b',
    'é',
    'x'.repeat(65),
    'a\0',
    7,
    null,
  ])('takes no project that is called %j', async (project) => {
    await open();
    const answer = await post({ project, items: [{ text: 'a' }] });
    expect([answer.statusCode, code(answer.body)]).toEqual([400, 'bad_request']);
    expect(answer.body).toContain('project');
    expect(await readdir(join(root, 'renders', 'projects'))).toEqual([]);
    const path = `projects/${encodeURIComponent(String(project))}`;
    expect((await remove(path)).statusCode).toBeGreaterThanOrEqual(400);
    expect((await stat(join(root, 'renders', 'uploads'))).isDirectory()).toBe(true);
  });

  it('keeps an upload while a render uses it, and removes it with the last one', async () => {
    const script = join(root, 'endless.cjs');
    await writeFile(script, ENDLESS);
    await open(script, 4);
    const [one, two, three] = [await upload(1), await upload(1), await upload(1)];
    const make = async (body: object) => (await post(body)).json<RenderView>().id;
    const a = await make({ items: [{ upload: one }, { upload: two, image: { upload: three } }] });
    const b = await make({ items: [{ text: 'b' }], image: { upload: two } });
    expect((await remove(a)).statusCode).toBe(204);
    expect(await kept()).toEqual([two]);
    await reopen(script);
    later.clock += 1000 * HOUR;
    await renders.sweep();
    expect(await kept()).toEqual([two]);
    expect((await remove(b)).statusCode).toBe(204);
    expect(await kept()).toEqual([]);
    const gone = await post({ items: [{ text: 'b' }, { upload: two }] });
    expect([gone.statusCode, code(gone.body)]).toEqual([404, 'not_found']);
    expect(gone.body).toContain('items.1');
  });

  it('removes by age, whatever the wall clock says', async () => {
    const script = join(root, 'done.cjs');
    await writeFile(script, 'console.log(JSON.stringify({ event: "done", parts: [] }));');
    await open(script, 4);
    const [used, unused] = [await upload(1), await upload(1)];
    const { id } = (await post({ items: [{ upload: used }] })).json<RenderView>();
    const { id: named } = (await post({ project: 'p', items: [{ text: 'a' }] })).json<RenderView>();
    await Promise.all([changed(id, 'done'), changed(named, 'done')]);
    await mkdir(join(root, 'renders', 'projects', 'p'));
    const all = async () => [renders.list().length, (await kept()).length, (await renders.projects()).length];
    // It jumps while the server runs, to and fro: nothing happens.
    for (const jump of [20 * 365 * 24 * HOUR, -20 * 365 * 24 * HOUR]) {
      later.now = jump;
      await renders.sweep();
      expect(await all()).toEqual([2, 2, 1]);
    }
    // And between two servers: at most half of the time counts, so nothing that is new goes.
    await reopen(script, () => (later.now = 20 * 365 * 24 * HOUR));
    expect(await all()).toEqual([2, 2, 1]);
    later.clock += 11 * HOUR;
    await renders.sweep();
    expect(await all()).toEqual([2, 2, 1]);
    // It is set right again, which is a step back: nothing is kept for longer.
    await reopen(script, () => (later.now = 0));
    expect((await kept()).sort()).toEqual([used, unused].sort());
    later.clock += 2 * HOUR;
    await renders.sweep();
    expect(await all()).toEqual([0, 0, 0]);
    expect(await readdir(join(root, 'renders'))).toEqual(['ages.json', 'lock', 'projects', 'uploads']);
  });

  it('lets uploads take no more than renders.maxUploadsMb, small ones too, and leaves nothing of one that is cut off', async () => {
    await open();
    const sent: string[] = [];
    await expect(
      (async () => {
        for (let i = 0; i < 100; i++) sent.push((await renders.upload(Readable.from([Buffer.alloc(10)]))).id);
      })(),
    ).rejects.toMatchObject({ code: 'disk_full' });
    expect(sent).toHaveLength(15); // 1 MB, each counted as 64 kB
    await expect(renders.upload(Readable.from([]))).rejects.toMatchObject({ code: 'disk_full' });
    later.clock += 25 * HOUR;
    await renders.sweep();
    await expect(renders.upload(Readable.from([]))).rejects.toMatchObject({ code: 'audio_invalid' });
    const half = new PassThrough();
    const cut = expect(renders.upload(half)).rejects.toMatchObject({ code: 'shutting_down' });
    half.write(Buffer.alloc(1000));
    await renders.close();
    await cut;
    expect(await kept()).toEqual([]);
    expect(await readdir(join(root, 'renders', 'receiving'))).toEqual([]);
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
