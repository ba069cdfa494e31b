import { execFile, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { ProjectLock } from '../../src/render/project-lock.js';
import { writeClips } from '../support/render-fixture.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-helpers-'));
  writeClips(join(folder, 'clips'), [4_800, 9_600]);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const moduleOf = (path: string): string => JSON.stringify(pathToFileURL(packagePath(`dist/${path}.js`)).href);

/** A server's part that runs a render, as a process that can be killed. */
const SERVER = `import { ChildTaskRunner } from ${moduleOf('server/renders/task-runner')};
const runner = new ChildTaskRunner({ concurrency: 1, maxWaiting: () => 1 });
runner.submit({
  id: 'a',
  args: () => process.argv.slice(2),
  appetite: { leastMb: 1, comfortableMb: 1 },
  onStart: () => undefined,
  onPaused: () => undefined,
  onEvent: (event) => process.send({ event, pid: runner.processes()[0]?.pid }),
  onEnd: (code, stderr) => process.send({ event: { event: 'end', code, stderr } }),
  over: () => false,
  onRefused: (error) => process.send({ event: { event: 'refused', error } }),
});
process.on('disconnect', () => runner.close());`;

interface Message {
  event: { event: string; message?: string; totalS?: number };
  pid: number;
}

test('a render ends with the server that started it, and the next server goes on when it is gone', async () => {
  await writeFile(join(folder, 'server.mjs'), SERVER);
  const lock = await ProjectLock.acquire(join(folder, 'temp/video_segments/p/lock'), 'it');
  const flags = ['-o', 'out', '--temp', 'temp', '--project', 'p', '--wait', '--json', '--size', '64x64'];
  const args = [packagePath('dist/cli.js'), 'render', 'clips', ...flags];
  // What one that was killed in the middle of writing leaves.
  await mkdir(join(folder, 'out'));
  const left = ['temp/video_segments/p/manifest.json.1.tmp', 'out/index.json.1.tmp', 'out/part-001.srt.1.tmp'];
  for (const name of left) await writeFile(join(folder, name), '');
  const servers: ChildProcess[] = [];
  const serve = (): Promise<ChildProcess> => {
    const server = fork(join(folder, 'server.mjs'), args, { cwd: folder, execArgv: [] });
    servers.push(server);
    return Promise.resolve(server);
  };
  try {
    const killed = await serve();
    const [{ event, pid }] = (await once(killed, 'message')) as [Message];
    expect(event).toMatchObject({
      event: 'note',
      message: expect.stringContaining(`in use by process ${process.pid}`),
    });
    killed.kill('SIGKILL');
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 5_000, interval: 20 });
    const events: Message['event'][] = [];
    const next = await serve();
    next.on('message', (message: Message) => events.push(message.event));
    await vi.waitFor(() => expect(events[0]?.message).toContain('waiting'), 15_000);
    await lock.close();
    await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ event: 'end', code: 0 }), 15_000);
    expect(events.at(-2)).toMatchObject({ event: 'done', totalS: 0.3 });
    expect(await readdir(join(folder, 'out'))).toEqual(['index.json', 'part-001.mp4']);
    expect(await readdir(join(folder, 'temp/video_segments/p'))).toEqual(['clips', 'manifest.json']);
  } finally {
    for (const server of servers) server.kill('SIGKILL');
    await lock.close();
  }
});

/** Asks for every kind of helper process while no file can be opened, then once more when files can be. */
const SHORT = `import { closeSync, openSync } from 'node:fs';
import { BakeService } from ${moduleOf('avatar/bake-service')};
import { DhError } from ${moduleOf('errors')};
import { MediaClient } from ${moduleOf('media/media-client')};
import { PartWorkers } from ${moduleOf('render/part-workers')};
import { ChildTaskRunner } from ${moduleOf('server/renders/task-runner')};
const runner = new ChildTaskRunner({ concurrency: 1, maxWaiting: () => 1 });
const bakes = new BakeService({ cacheDir: 'cache', avatarsDirs: [] });
const media = new MediaClient();
const parts = new PartWorkers();
const task = () => new Promise((resolve, reject) => runner.submit({
  id: String(Math.random()),
  args: () => ['-e', ''],
  appetite: { leastMb: 1, comfortableMb: 1 },
  onStart: () => undefined, onPaused: () => undefined, onEvent: () => undefined,
  onEnd: resolve, over: () => false, onRefused: reject,
}));
const all = async () => {
  const part = parts.render({ path: 'part' }, new AbortController().signal, () => undefined);
  const results = await Promise.allSettled([
    task(), bakes.bake('nobody', { width: 64, height: 36 }), media.probe('clips/1.wav'), part,
  ]);
  return results.map(({ status, reason }) => status === 'fulfilled' ? 'done' : DhError.from(reason).code);
};
const held = [];
try { for (;;) held.push(openSync('/dev/null')); } catch {}
const short = await all();
for (const fd of held) closeSync(fd);
const enough = (await all()).slice(0, 3);
console.log(JSON.stringify({ short, enough }));
await Promise.all([runner.close(), bakes.close(), media.close(), parts.close()]);
process.exit(0);`;

test.skipIf(process.platform === 'win32')(
  'without a file descriptor left every helper fails with a code, and works again later',
  async () => {
    await writeFile(join(folder, 'short.mjs'), SHORT);
    const command = `ulimit -n 1000; exec "${process.execPath}" short.mjs`;
    const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual({
      short: ['task_limit', 'task_limit', 'media_unavailable', 'task_limit'],
      enough: ['done', 'avatar_not_found', 'done'],
    });
  },
);
