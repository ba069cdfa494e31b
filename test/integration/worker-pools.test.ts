import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WorkerPool, type SubmitOptions, type WorkerPoolOptions } from '../../src/tasks/worker-pool.js';
import { WorkerPools } from '../../src/tasks/worker-pools.js';
import { until } from '../support/server.js';

let folder: string;
let file: string;
const pools: { close(): Promise<void> }[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-pools-'));
  file = join(folder, 'worker.mjs');
  writeFileSync(
    file,
    `import { threadId } from 'node:worker_threads';
    export default (data) => data;
    export const thread = () => threadId;
    export const gate = ({ at, open }) => { const a = new Int32Array(at); Atomics.add(a, 0, 1); Atomics.notify(a, 0); Atomics.wait(new Int32Array(open), 0, 0); return threadId; };
    export const exit = () => process.exit(7);
    export const fail = () => { throw new RangeError('no such thing'); };
    export const known = () => { throw { code: 'avatar_invalid', message: 'a bad picture', hint: 'Another one.' }; };
    export const hang = () => { for (;;); };
    export const eat = () => { const all = []; for (;;) all.push(new Array(1e5).fill(Math.random())); };
    export const later = () => { setTimeout(() => { throw new Error('too late'); }, 0); };
    export const size = (buffer) => buffer.byteLength;
    export const litter = () => { Array.from({ length: 2e5 }, (_, i) => ({ i, text: 'object ' + i })); };
    export const heap = () => process.memoryUsage().heapTotal;`,
  );
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

function newPool(options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({ name: 'test', threads: 1, ...options });
  pools.push(pool);
  return pool;
}

/** Tasks that stay in their thread until the gate opens; `entered` counts those that got there. */
function newGate() {
  const at = new SharedArrayBuffer(4);
  const open = new SharedArrayBuffer(4);
  return {
    run: (pool: WorkerPool, options?: SubmitOptions) =>
      pool.submit<number>({ file, name: 'gate', data: { at, open } }, options),
    entered: () => new Int32Array(at)[0]!,
    open: () => {
      Atomics.store(new Int32Array(open), 0, 1);
      Atomics.notify(new Int32Array(open), 0);
    },
  };
}

const echo = (pool: WorkerPool, data: unknown, options?: SubmitOptions) => pool.submit({ file, data }, options);

describe('a task that goes wrong', () => {
  it.each([
    ['exit', 'task_crashed', /ended its thread with code 7/],
    ['fail', 'task_crashed', /failed: no such thing/],
    ['eat', 'task_crashed', /more memory than it may have/],
    ['hang', 'task_crashed', /took longer than 1500 ms/],
    ['known', 'avatar_invalid', /a bad picture/],
    ['missing', 'task_crashed', /failed: /],
  ])('fails alone and is told why: %s', async (name, code, reason) => {
    const pool = newPool({ resourceLimits: { maxOldGenerationSizeMb: 32 } });
    const bad = pool.submit({ file, name, data: null }, { timeLimitMs: name === 'hang' ? 1500 : 60_000 });
    const behind = [1, 2, 3].map((n) => echo(pool, n));
    await expect(bad).rejects.toMatchObject({ code, message: expect.stringMatching(reason) as string });
    expect(await Promise.all(behind)).toEqual([1, 2, 3]);
    expect(pool.stats()).toMatchObject({ completed: 3, failed: 1, running: 0, waiting: 0, successRate: 0.75 });
  });

  it('does not fail one that runs beside it', async () => {
    const pool = newPool({ threads: 2 });
    const gate = newGate();
    const beside = gate.run(pool);
    await until(() => gate.entered() === 1);
    await expect(pool.submit({ file, name: 'exit', data: null })).rejects.toMatchObject({ code: 'task_crashed' });
    gate.open();
    expect(await beside).toBeGreaterThan(0);
  });

  it('fails nobody when its thread dies after it has ended', async () => {
    const pool = newPool();
    await pool.submit({ file, name: 'later', data: null });
    expect(await echo(pool, 'on')).toBe('on');
  });

  it('that cannot be copied into a thread fails alone', async () => {
    const pool = newPool();
    await expect(echo(pool, () => undefined)).rejects.toMatchObject({ code: 'task_crashed' });
    expect(await echo(pool, 1)).toBe(1);
  });
});

describe('the queue', () => {
  it('begins with the highest priority, and the first among equals', async () => {
    const pool = newPool();
    const gate = newGate();
    const first = gate.run(pool);
    const order: string[] = [];
    const all = (
      [
        ['a', 0],
        ['warm-up', -1],
        ['urgent', 1],
        ['b', 0],
        ['urgent too', 1],
      ] as const
    ).map(([name, priority]) => echo(pool, name, { priority }).then((done) => order.push(done as string)));
    expect(pool.stats()).toMatchObject({ running: 1, waiting: 5 });
    gate.open();
    await first;
    await Promise.all(all);
    expect(order).toEqual(['urgent', 'urgent too', 'a', 'b', 'warm-up']);
    expect(pool.stats().waitP95Ms).toBeGreaterThan(0);
  });

  it('is bounded', async () => {
    const pool = newPool({ waitingCapacity: 2 });
    const gate = newGate();
    const running = [gate.run(pool), echo(pool, 1), echo(pool, 2)];
    await expect(echo(pool, 3)).rejects.toMatchObject({ code: 'task_limit', retryable: true });
    gate.open();
    await Promise.all(running);
    expect(await echo(pool, 4)).toBe(4);
  });

  it('forgets who leaves, and stops who runs', async () => {
    const pool = newPool();
    const gate = newGate();
    const [waits, runs] = [new AbortController(), new AbortController()];
    const running = gate.run(pool, { signal: runs.signal });
    const waiting = echo(pool, 1, { signal: waits.signal });
    const behind = echo(pool, 2);
    await until(() => gate.entered() === 1);
    waits.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    expect(pool.stats().waiting).toBe(1);
    runs.abort(new Error('stopped'));
    await expect(running).rejects.toThrow('stopped');
    expect(await behind).toBe(2);
    await expect(echo(pool, 3, { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never');
    expect(pool.stats()).toMatchObject({ aborted: 3, completed: 1, failed: 0 });
  });

  it('lets a short task end although nobody wants it any more', async () => {
    const pool = newPool();
    const gate = newGate();
    const abort = new AbortController();
    const running = gate.run(pool, { signal: abort.signal, stopRunning: false });
    await until(() => gate.entered() === 1);
    abort.abort();
    gate.open();
    expect(await running).toBeGreaterThan(0);
    expect(await pool.submit({ file, name: 'thread', data: null })).toBe(await running);
  });

  it('hands buffers over instead of copying them', async () => {
    const buffer = new ArrayBuffer(1024);
    expect(await newPool().submit({ file, name: 'size', data: buffer }, { transfer: [buffer] })).toBe(1024);
    expect(buffer.byteLength).toBe(0);
  });
});

describe('threads', () => {
  it('are none before the first task, and follow resize', async () => {
    const pool = newPool({ idleMs: 20 });
    expect(pool.stats().threads).toBe(0);
    const gate = newGate();
    const all = [1, 2, 3, 4].map(() => gate.run(pool));
    await until(() => gate.entered() === 1);
    expect(pool.stats()).toMatchObject({ threads: 1, running: 1, waiting: 3 });
    pool.resize(3);
    await until(() => gate.entered() === 3);
    expect(pool.stats()).toMatchObject({ threads: 3, limitThreads: 3, running: 3, waiting: 1 });
    pool.resize(1);
    gate.open();
    expect(new Set(await Promise.all(all)).size).toBe(3);
    await until(() => pool.stats().threads <= 1);
    expect(() => pool.resize(0)).toThrow(RangeError);
    expect(() => pool.resize(2.5)).toThrow(RangeError);
  });

  it('that wait for a task can be told to collect their garbage, and do not wait for the others', async () => {
    const pool = newPool({ threads: 2, keptThreads: 2 });
    const gate = newGate();
    const busy = gate.run(pool);
    await until(() => gate.entered() === 1);
    await pool.submit({ file, name: 'litter', data: null });
    const before = await pool.submit<number>({ file, name: 'heap', data: null });
    await pool.collectGarbage();
    const after = await pool.submit<number>({ file, name: 'heap', data: null });
    expect(before - after).toBeGreaterThan(5e6);
    expect(pool.stats()).toMatchObject({ completed: 3, running: 1 });
    gate.open();
    await busy;
  });

  it('that do not exist are not started in order to collect garbage', async () => {
    const pool = newPool({ threads: 2, keptThreads: 1 });
    await pool.collectGarbage();
    expect(pool.stats()).toMatchObject({ threads: 0, completed: 0 });
  });

  it('end when they are idle, however often garbage is collected', async () => {
    const pool = newPool({ idleMs: 300 });
    await echo(pool, 'x');
    await until(async () => {
      await pool.collectGarbage();
      return pool.stats().threads === 0;
    });
  });

  it('end at shutdown: what runs may end in time, what waits is refused', async () => {
    const pool = newPool();
    const gate = newGate();
    const running = gate.run(pool);
    const waiting = expect(echo(pool, 1)).rejects.toMatchObject({ code: 'shutting_down' });
    await until(() => gate.entered() === 1);
    const closing = pool.close(10_000);
    await waiting;
    gate.open();
    expect(await running).toBeGreaterThan(0);
    await closing;
    await pool.close();
    expect(pool.stats()).toMatchObject({ threads: 0, completed: 1, aborted: 1 });
    await expect(echo(pool, 2)).rejects.toMatchObject({ code: 'shutting_down' });
  });

  it('end at shutdown although a task hangs', async () => {
    const pool = newPool();
    const hanging = expect(pool.submit({ file, name: 'hang', data: null })).rejects.toMatchObject({
      code: 'shutting_down',
    });
    await pool.close(50);
    await hanging;
    expect(pool.stats().threads).toBe(0);
  });
});

describe('the pools of a process', () => {
  it('keep the types of work apart, and count what processes do', async () => {
    const all = new WorkerPools();
    pools.push(all);
    let waiting = 0;
    const decoding = all.processWork('decode', () => ({ processes: 1, waiting }));
    expect(await all.submit('other', { file, data: 'x' })).toBe('x');
    await expect(all.submit('voices', { file, name: 'fail', data: null })).rejects.toMatchObject({
      code: 'task_crashed',
    });
    async function* source(broken: boolean) {
      yield 1;
      await Promise.resolve();
      if (broken) throw new Error('broken');
      yield 2;
    }
    const heard: number[] = [];
    for await (const piece of decoding.trackEach(source(false))) heard.push(piece);
    expect(heard).toEqual([1, 2]);
    await expect(decoding.trackEach(source(true)).next()).resolves.toBeDefined();
    const broken = decoding.trackEach(source(true));
    await broken.next();
    await expect(broken.next()).rejects.toThrow('broken');
    waiting = 1;
    const table = new Map(all.stats().map((line) => [line.pool, line]));
    expect([...table.keys()]).toEqual(['voices', 'pictures', 'decode', 'other']);
    expect(table.get('other')).toMatchObject({ completed: 1, failed: 0, threads: 1, successRate: 1 });
    expect(table.get('voices')).toMatchObject({ completed: 0, failed: 1, successRate: 0 });
    expect(table.get('pictures')).toMatchObject({ threads: 0, successRate: null });
    // one reader has not come back for more: of the work that has begun it is the one that waits
    expect(table.get('decode')).toMatchObject({ threads: 1, completed: 1, failed: 1, waiting: 1, running: 0 });
  });
});
