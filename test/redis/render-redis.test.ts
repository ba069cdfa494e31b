import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaClient } from '../../src/media/media-client.js';
import { LocalPreparer, type ClipPreparer } from '../../src/render/clip-preparer.js';
import { PreparedClips } from '../../src/render/prepared-clips.js';
import { RedisPreparer } from '../../src/render/redis-preparer.js';
import { connectRedis, endRedis, hashFile } from '../../src/render/redis-queue.js';

const CLI = resolve('dist/cli.js');
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.warn('SKIPPED: rendering on many machines is not tested, there is no redis-server here.');

describe.skipIf(!hasRedis)('clips prepared by workers over Redis', { timeout: 120_000 }, () => {
  let folder: string;
  let url: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dh-redis-'));
    ({ url } = await startRedis());
  });

  afterAll(async () => {
    for (const child of children.reverse()) await end(child);
    await rm(folder, { recursive: true, force: true });
  });

  it('gives a killed worker’s clip to another and makes the same sound as one machine', async () => {
    const tasks = [];
    for (let i = 0; i < 40; i++) {
      const path = join(folder, `clip ${i} 声.wav`);
      await writeFile(path, wav(20, 200 + 10 * i));
      tasks.push({ key: `k${i}`, source: { kind: 'file', path } as const });
    }
    const [shared, alone] = [join(folder, 'shared'), join(folder, 'alone')];
    await Promise.all([mkdir(shared), mkdir(alone)]);
    const [first, second] = [await startWorker(), await startWorker()];
    const preparer = await RedisPreparer.open({ url, local: null, jobs: 1 });
    const signal = new AbortController().signal;
    const all = Promise.all(tasks.map((task) => preparer.prepare(task, shared, signal)));
    await until(() => {
      if (first.lines.length < 4 || second.lines.length < 4) throw new Error('not begun');
    });
    first.child.kill('SIGKILL');
    const clips = await all;
    expect(clips.map(({ key }) => key)).toEqual(tasks.map(({ key }) => key));
    expect(second.lines.length).toBeGreaterThan(first.lines.length);

    const media = new MediaClient();
    const local = new LocalPreparer(
      () => media,
      () => Promise.reject(new Error('no speech here')) as never,
    );
    for (const task of tasks.slice(0, 5)) {
      const clip = await local.prepare(task, alone, signal);
      expect(clip).toEqual(clips.find(({ key }) => key === task.key));
      const paths = [alone, shared].map((each) => new PreparedClips(each).pcmPath(task.key));
      const [a, b] = await Promise.all(paths.map(hashFile));
      expect(a).toBe(b);
    }
    await media.close();

    // What is wrong with a clip is told as it is, and costs no other clip anything.
    const bad = join(folder, 'bad.wav');
    await writeFile(bad, 'no sound at all');
    const tried = preparer.prepare({ key: 'bad', source: { kind: 'file', path: bad } }, shared, signal);
    await expect(tried).rejects.toMatchObject({ code: expect.stringMatching(/^audio_/) as string });

    // The other one finishes what it has and leaves.
    second.child.kill('SIGTERM');
    await once(second.child, 'exit');
    expect(second.child.exitCode).toBe(0);
    const stopped = new AbortController();
    const waiting = preparer.prepare({ key: 'k1', source: tasks[1]!.source }, shared, stopped.signal);
    stopped.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    await preparer.close();
    const left = (await readdir(shared)).filter((name) => name.endsWith('.json')).sort();
    expect(left).toEqual(tasks.map(({ key }) => `${key}.json`).sort());
  });

  it('renders with REDIS_URL set and no worker at all', async () => {
    await writeFile(join(folder, 'list.json'), JSON.stringify([{ file: 'clip 1 声.wav' }, { file: 'clip 2 声.wav' }]));
    const args = [CLI, 'render', join(folder, 'list.json'), '-o', join(folder, 'out'), '--temp', join(folder, 'temp')];
    const child = spawn(process.execPath, [...args, '--size', '320x180', '--json'], {
      env: { ...process.env, REDIS_URL: url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(child, 'close');
    expect(child.exitCode).toBe(0);
    const last = JSON.parse(said.trim().split('\n').at(-1)!) as { event: string; totalS: number };
    expect(last).toMatchObject({ event: 'done', totalS: 40 });
  });

  it('says so when Redis is away', async () => {
    const away = RedisPreparer.open({ url: `redis://127.0.0.1:${await freePort()}`, local: null, jobs: 1 });
    await expect(away).rejects.toMatchObject({ code: 'server_unreachable' });
  });

  it('puts clips in again that Redis has forgotten when it came back', async () => {
    const { url: own, process: redis, port } = await startRedis();
    const into = join(folder, 'forgotten');
    await mkdir(into);
    const preparer = await RedisPreparer.open({ url: own, local: slow(), jobs: 1, awayMs: 6000 });
    const all = prepareAll(preparer, 30, into);
    await until(async () => {
      if ((await readdir(into)).length < 6) throw new Error('not begun');
    });
    await end(redis);
    const again = await startRedis(port);
    expect(await all).toEqual(Array.from({ length: 30 }, (_, i) => `k${i}`));
    await preparer.close();
    await end(again.process);
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)('ends clearly when Redis stays away after %s', async (how) => {
    const { url: own, process: redis } = await startRedis();
    const into = join(folder, how);
    await mkdir(into);
    const preparer = await RedisPreparer.open({ url: own, local: slow(), jobs: 1, awayMs: 1500 });
    const all = prepareAll(preparer, 30, into);
    await until(async () => {
      if ((await readdir(into)).length < 6) throw new Error('not begun');
    });
    redis.kill(how);
    await expect(all).rejects.toMatchObject({ code: 'server_unreachable' });
    await expect(prepareAll(preparer, 1, into)).rejects.toMatchObject({ code: 'server_unreachable' });
    await preparer.close();
    redis.kill('SIGCONT');
  });

  it('goes on when Redis was only stopped for a while', async () => {
    const { url: own, process: redis } = await startRedis();
    const into = join(folder, 'stopped');
    await mkdir(into);
    const preparer = await RedisPreparer.open({ url: own, local: slow(), jobs: 1, awayMs: 20_000 });
    const all = prepareAll(preparer, 30, into);
    await until(async () => {
      if ((await readdir(into)).length < 6) throw new Error('not begun');
    });
    redis.kill('SIGSTOP');
    // Long enough that it has been asked and has not answered.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    redis.kill('SIGCONT');
    expect(await all).toHaveLength(30);
    await preparer.close();
  });

  it('lets a worker end while Redis is away', async () => {
    const { url: own, process: redis } = await startRedis();
    const { child } = await startWorker(own);
    await end(redis);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
  });

  /** Prepares clips that take a tenth of a second each. */
  function slow(): ClipPreparer {
    return {
      prepare: async ({ key }, into) => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return new PreparedClips(into).write(key, async (writer) => {
          await writer.write(new Int16Array(480));
          return null;
        });
      },
      rssBytes: () => 0,
      close: () => undefined,
    };
  }

  async function prepareAll(preparer: RedisPreparer, count: number, into: string): Promise<string[]> {
    const { signal } = new AbortController();
    const source = { kind: 'text', text: 'a', voice: null, language: null } as const;
    const all = Array.from({ length: count }, (_, i) => preparer.prepare({ key: `k${i}`, source }, into, signal));
    return (await Promise.all(all)).map(({ key }) => key);
  }

  async function startRedis(given?: number): Promise<{ url: string; port: number; process: ChildProcess }> {
    const port = given ?? (await freePort());
    const at = `redis://127.0.0.1:${port}`;
    const flags = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder];
    const child = spawn('redis-server', flags, { stdio: 'ignore' });
    children.push(child);
    await until(() => connectRedis(at, 500).then(endRedis));
    return { url: at, port, process: child };
  }

  async function startWorker(at = url): Promise<{ child: ChildProcess; lines: string[] }> {
    const child = spawn(process.execPath, [CLI, 'render-worker', '--redis', at, '--jobs', '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const lines: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')));
    await until(() => {
      if (lines.length === 0) throw new Error('not ready');
    });
    return { child, lines };
  }
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** Tries again until it does not throw. */
async function until(work: () => unknown, limit = 30_000): Promise<void> {
  const end = performance.now() + limit;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A tone, 44.1 kHz mono. */
function wav(seconds: number, hertz: number): Buffer {
  const samples = seconds * 44_100;
  const file = Buffer.alloc(44 + 2 * samples);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + 2 * samples, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(44_100, 24);
  file.writeUInt32LE(88_200, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i++) {
    file.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * hertz * i) / 44_100)), 44 + 2 * i);
  }
  return file;
}
