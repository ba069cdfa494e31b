import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { DhError } from '../../src/errors.js';
import { MediaClient, type MediaClientOptions } from '../../src/media/media-client.js';
import type { MemoryLoan } from '../../src/units.js';
import { tone, wav } from './media-fixtures.js';

let dir = '';
let path = '';
const clients: MediaClient[] = [];
const open = (options: MediaClientOptions = {}): MediaClient => {
  const client = new MediaClient(options);
  clients.push(client);
  return client;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dh-media-'));
  path = join(dir, 'a.wav');
  // A sweep, so that a gap or a repetition shows.
  await writeFile(
    path,
    wav(22_050 * 4, (i) => 0.5 * Math.sin(i * (0.01 + i * 1e-7)), { rateHz: 22_050 }),
  );
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const gone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

async function all(pieces: AsyncIterable<Int16Array>): Promise<number[]> {
  const samples: number[] = [];
  for await (const piece of pieces) for (const value of piece) samples.push(value);
  return samples;
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DhError);
  return (error as DhError).code;
}

describe('the media process', () => {
  it('starts when it is needed, ends when it is idle, and comes back', async () => {
    const client = open({ idleMs: 30 });
    expect(client.pid).toBeNull();
    await client.probe(path);
    const pid = client.stats().pid!;
    expect(pid).toBeGreaterThan(0);
    await vi.waitFor(() => expect(gone(pid)).toBe(true), 5_000);
    expect(client.pid).toBeNull();
    expect((await client.probe(path)).rateHz).toBe(22_050);
    expect(client.stats().starts).toBe(2);
  });

  it('stays while a file is open, however slowly it is read', async () => {
    const client = open({ idleMs: 1 });
    const pieces = client.decode(path);
    await pieces.next();
    const pid = client.pid;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await pieces.next();
    expect(client.pid).toBe(pid);
    await pieces.return();
    expect(client.stats().jobs).toBe(0);
  });

  it('ends at once when memory is short, but not while a file is open', async () => {
    const client = open({ idleMs: 60_000 });
    const pieces = client.decode(path);
    await pieces.next();
    const pid = client.pid!;
    client.endIdle();
    await pieces.next();
    expect(client.pid).toBe(pid);
    await pieces.return();
    client.endIdle();
    expect(client.pid).toBeNull();
    await vi.waitFor(() => expect(gone(pid)).toBe(true), 5_000);
  });

  it('fails only the file that hangs; the other goes on where it was, without a gap', async () => {
    const client = open();
    const whole = await all(client.decode(path));
    const other = client.decode(path);
    const start = [...(await other.next()).value!];
    const hanging = client.decode(path, { timeoutMs: 1000 });
    await hanging.next();
    const pid = client.pid!;
    process.kill(pid, 'SIGSTOP');
    expect(await codeOf(hanging.next())).toBe('audio_invalid');
    await vi.waitFor(() => expect(gone(pid)).toBe(true), 5_000);
    expect(start.concat(await all(other))).toEqual(whole);
    expect(client.stats()).toMatchObject({ jobs: 0, starts: 2 });
  });

  it('goes on in a new process when somebody kills it', async () => {
    const client = open();
    const whole = await all(client.decode(path));
    const pieces = client.decode(path);
    const start = [...(await pieces.next()).value!];
    const pid = client.pid!;
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => expect(client.pid).toBeNull(), 5_000);
    expect(start.concat(await all(pieces))).toEqual(whole);
  });

  it('gives a file up over which it goes away again and again, and no other', async () => {
    const client = open();
    const other = client.decode(path);
    const whole = await all(client.decode(path));
    const start = [...(await other.next()).value!];
    const killer = setInterval(() => client.pid !== null && process.kill(client.pid, 'SIGKILL'), 1);
    await expect(all(client.decode(path))).rejects.toMatchObject({
      code: 'task_crashed',
      message: 'the media process ended (SIGKILL), 3 times over this file',
    });
    clearInterval(killer);
    expect(client.stats().failures).toBe(3);
    await vi.waitFor(() => expect(client.pid).toBeNull(), 5_000);
    expect(start.concat(await all(other))).toEqual(whole);
    expect(await all(client.decode(path))).toEqual(whole);
  });

  it('blames the file when the decoder crashes on it', async () => {
    const client = open();
    const pieces = client.decode(path);
    await pieces.next();
    // It waits for a call, and is hit before it can read this one.
    const next = pieces.next();
    process.kill(client.pid!, 'SIGSEGV');
    expect(await codeOf(next)).toBe('audio_invalid');
    expect((await all(client.decode(path))).length).toBeGreaterThan(0);
  });

  it('is killed when it grows above its memory limit', async () => {
    let closed = 0;
    const loan = { bytes: 30e6, recalled: new AbortController().signal, close: () => void closed++ };
    const client = open({ borrow: () => Promise.resolve(loan) });
    const error = await client.probe(path).then(
      () => expect.unreachable('it did not fail'),
      (reason: unknown) => reason as DhError,
    );
    // With so little it is not the file's fault.
    expect(error.code).toBe('memory_pressure');
    expect(error.message).toContain('30 MB');
    expect(client.pid).toBeNull();
    await vi.waitFor(() => expect(closed).toBe(1));
  });

  it('borrows its memory while the process lives, ends when it is wanted back, and goes on with a new loan', async () => {
    const whole = await all(open().decode(path));
    const loans: { open: boolean; recall: AbortController }[] = [];
    const borrow = (): Promise<MemoryLoan> => {
      const loan = { open: true, recall: new AbortController() };
      loans.push(loan);
      return Promise.resolve({ bytes: 250e6, recalled: loan.recall.signal, close: () => void (loan.open = false) });
    };
    const client = open({ borrow });
    await client.probe(path);
    await client.probe(path);
    expect(loans.map((loan) => loan.open)).toEqual([true]);
    const pieces = client.decode(path);
    const begin = (await pieces.next()).value!;
    const pid = client.pid!;
    loans[0]!.recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    await vi.waitFor(() => expect(loans.map((loan) => loan.open)).toEqual([false]));
    expect(gone(pid)).toBe(true);
    expect([...begin, ...(await all(pieces))]).toEqual(whole);
    expect(loans.map((loan) => loan.open)).toEqual([false, true]);
  });

  it('makes a call again that was under way when the memory was wanted back', async () => {
    const loans: AbortController[] = [];
    const borrow = (): Promise<MemoryLoan> => {
      const recall = new AbortController();
      loans.push(recall);
      return Promise.resolve({ bytes: 250e6, recalled: recall.signal, close: () => undefined });
    };
    const client = open({ borrow });
    const info = client.probe(path);
    await vi.waitFor(() => expect(client.pid).not.toBeNull());
    for (const recall of loans) recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    expect(await info).toEqual(await open().probe(path));
    expect([loans.length, client.stats().failures]).toEqual([2, 0]);
  });

  it('refuses all that waited while one of them waited for memory in vain', async () => {
    const refusals: ((error: Error) => void)[] = [];
    const client = open({ borrow: () => new Promise((_resolve, reject) => refusals.push(reject)) });
    const probes = Promise.allSettled([client.probe(path), client.probe(path), client.probe(path)]);
    await vi.waitFor(() => expect(refusals).toHaveLength(1));
    refusals[0]!(new DhError('memory_pressure', 'Nothing is free.'));
    for (const probe of await probes) {
      expect(probe).toMatchObject({ status: 'rejected', reason: { code: 'memory_pressure' } });
    }
    const later = expect(client.probe(path)).rejects.toMatchObject({ code: 'memory_pressure' });
    await vi.waitFor(() => expect(refusals).toHaveLength(2));
    refusals[1]!(new DhError('memory_pressure', 'Nothing is free.'));
    await later;
  });

  it('refuses what there is no memory for, and works when there is', async () => {
    let short = true;
    const client = open({
      borrow: () =>
        short
          ? Promise.reject(new DhError('memory_pressure', 'Nothing is free.'))
          : Promise.resolve({ bytes: 250e6, recalled: new AbortController().signal, close: () => undefined }),
    });
    expect(await codeOf(client.probe(path))).toBe('memory_pressure');
    expect(client.pid).toBeNull();
    short = false;
    expect(await client.probe(path)).toMatchObject({ rateHz: 22_050 });
  });

  it('lets a bounded number wait to be begun', async () => {
    const client = open({ maxOpen: 1, maxWaiting: 1 });
    client.warm();
    await vi.waitFor(() => expect(client.pid).not.toBeNull());
    process.kill(client.pid!, 'SIGSTOP');
    const first = client.probe(path);
    const second = client.probe(path);
    expect(client.stats()).toMatchObject({ jobs: 0, waiting: 1 });
    expect(await codeOf(client.probe(path))).toBe('queue_full');
    const controller = new AbortController();
    process.kill(client.pid!, 'SIGCONT');
    expect((await first).channels).toBe(1);
    expect((await second).channels).toBe(1);
    process.kill(client.pid!, 'SIGSTOP');
    const again = client.probe(path);
    expect(await codeOf(client.probe(path, { timeoutMs: 20 }))).toBe('queue_full');
    const waiting = client.probe(path, { signal: controller.signal });
    controller.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    process.kill(client.pid!, 'SIGCONT');
    await again;
    expect(client.stats()).toMatchObject({ jobs: 0, waiting: 0 });
  });

  it('keeps nobody waiting for files whose readers pause; each goes on where it was', async () => {
    const client = open({ maxOpen: 2, maxWaiting: 1 });
    const whole = await all(client.decode(path));
    const paused: { begin: number[]; rest: AsyncGenerator<Int16Array> }[] = [];
    for (let i = 0; i < 6; i++) {
      const rest = client.decode(path);
      paused.push({ begin: [...(await rest.next()).value!], rest });
    }
    expect(client.stats()).toMatchObject({ jobs: 6, waiting: 0, starts: 1 });
    expect((await client.probe(path)).rateHz).toBe(22_050);
    const read = await Promise.all(paused.map(async ({ begin, rest }) => begin.concat(await all(rest))));
    for (const samples of read) expect(samples).toEqual(whole);
    expect(client.stats()).toMatchObject({ jobs: 0, starts: 1, failures: 0 });
  });

  it('stops when the signal aborts, even in the middle of a call', async () => {
    const client = open();
    const controller = new AbortController();
    const pieces = client.decode(path, { signal: controller.signal });
    await pieces.next();
    process.kill(client.pid!, 'SIGSTOP');
    const next = pieces.next();
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    process.kill(client.pid!, 'SIGCONT');
    expect(client.stats().jobs).toBe(0);
    expect((await client.probe(path)).rateHz).toBe(22_050);
    await expect(all(client.decode(path, { signal: controller.signal }))).rejects.toThrow('enough');
  });

  it('fails what is open when it is closed', async () => {
    const client = open();
    const pieces = client.decode(path);
    await pieces.next();
    const pid = client.pid!;
    await client.close();
    await client.close();
    expect(gone(pid)).toBe(true);
    expect(await codeOf(pieces.next())).toBe('shutting_down');
    expect(await codeOf(client.probe(path))).toBe('shutting_down');
    expect(client.pid).toBeNull();
  });

  it('has no environment of its parent', async () => {
    const { readFile } = await import('node:fs/promises');
    vi.stubEnv('DH_SECRET', 'secret-of-the-parent');
    const client = open();
    await client.probe(path);
    if (process.platform === 'linux') {
      expect(await readFile(`/proc/${client.pid}/environ`, 'utf8')).not.toContain('secret-of-the-parent');
    }
    vi.unstubAllEnvs();
  });
});

describe('when the parent dies', () => {
  let parent: ChildProcess | undefined;
  afterEach(() => void parent?.kill('SIGKILL'));

  it.each(['idle', 'in the middle of a call'])('the media process ends, %s', async (when) => {
    const script = join(dir, 'parent.mjs');
    const client = pathToFileURL(packagePath('dist/media/media-client.js')).href;
    const long = join(dir, 'long.wav');
    await writeFile(long, wav(48_000 * 60, tone(48_000), { rateHz: 48_000 }));
    await writeFile(
      script,
      `import { MediaClient } from ${JSON.stringify(client)};
       const client = new MediaClient();
       await client.probe(process.argv[2]);
       process.send(client.pid);
       if (process.argv[3] !== 'idle') for (;;) for await (const _ of client.decode(process.argv[2]));`,
    );
    parent = fork(script, [long, when], { execArgv: [] });
    const [pid] = (await once(parent, 'message')) as [number];
    expect(gone(pid)).toBe(false);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(gone(pid)).toBe(true), { timeout: 5_000, interval: 20 });
  });
});
