import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { ChildTaskRunner, type Task } from '../../src/server/renders/task-runner.js';
import { ServerStats, type ProcessFigures, type ServerStatsParts } from '../../src/server/server-stats.js';
import type { MemoryLoan } from '../../src/units.js';
import { until } from '../support/server.js';

/** Holds memory in a child of its own, and tells that it is there. */
const PARENT = `
const { spawn } = require('node:child_process');
const hold = "const held = Buffer.alloc(150e6, 1); console.log('held'); setInterval(() => held.length, 1000)";
const child = spawn(process.execPath, ['-e', hold], { stdio: ['ignore', 'pipe', 'ignore'] });
child.stdout.once('data', () => console.log(JSON.stringify({ event: 'progress', rssBytes: Number(process.argv[2]) })));
process.once('SIGTERM', () => { child.kill(); process.exit(); });
setInterval(() => {}, 1000);`;

let folder: string;
let runner: ChildTaskRunner;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dh-processes-'));
  runner = new ChildTaskRunner({ concurrency: 2, maxWaiting: () => 4 });
});
afterEach(async () => {
  await runner.close();
  await rm(folder, { recursive: true, force: true });
});

it(
  'counts what a render has started as its own, and gives each that runs a name of its own',
  { timeout: 60_000 },
  async () => {
    const script = join(folder, 'parent.cjs');
    await writeFile(script, PARENT);
    let told = 0;
    const submit = (id: string, bytes: number): void =>
      runner.submit({
        id,
        args: () => [script, String(bytes)],
        appetite: { leastMb: 1, comfortableMb: 1 },
        onStart: () => undefined,
        onPaused: () => undefined,
        onRefused: () => undefined,
        over: () => false,
        onEvent: () => told++,
        onEnd: () => undefined,
      });
    submit('a', 1);
    submit('b', 9e9);
    await until(() => told === 2, 30_000);
    let now = 0;
    const stats = new ServerStats({
      supervisor: { stages: [] },
      otherPids: () => [],
      trees: () => runner.processes().map(({ slot, ...figures }) => ({ name: `render-${slot}`, ...figures })),
      clock: () => now,
    } as unknown as ServerStatsParts);
    const named = async (): Promise<Record<string, ProcessFigures>> => {
      now += 10_000;
      return Object.fromEntries((await stats.processes()).map((one) => [one.name, one]));
    };
    const both = await named();
    expect(Object.keys(both)).toEqual(['control', 'render-0', 'render-1']);
    expect(both['render-0']?.rssBytes).toBeGreaterThan(190e6);
    expect(both['render-0']?.rssBytes).toBeLessThan(600e6);
    expect(both['render-1']?.rssBytes).toBe(9e9);
    await runner.cancel('a');
    submit('c', 1);
    await until(() => told === 3, 30_000);
    expect(Object.keys(await named()).sort()).toEqual(['control', 'render-0', 'render-1']);
    stats.close();
  },
);

describe('with memory that is borrowed', { timeout: 60_000 }, () => {
  interface Lent {
    slot: number;
    open: boolean;
    recall: AbortController;
  }
  let lent: Lent[];
  let bytes: number;
  let refusal: DhError | null;
  let told: string[];
  let script: string;

  beforeEach(async () => {
    lent = [];
    bytes = 1e9;
    refusal = null;
    told = [];
    script = join(folder, 'parent.cjs');
    await writeFile(script, PARENT);
    runner = new ChildTaskRunner({
      concurrency: 1,
      maxWaiting: () => 4,
      waitForStart: true,
      borrow: (slot): Promise<MemoryLoan> => {
        if (refusal) return Promise.reject(refusal);
        const loan = { slot, open: true, recall: new AbortController() };
        lent.push(loan);
        return Promise.resolve({ bytes, recalled: loan.recall.signal, close: () => void (loan.open = false) });
      },
    });
  });

  const task = (id: string): Task => ({
    id,
    args: (most) => [script, String(most)],
    appetite: { leastMb: 1, comfortableMb: 1 },
    onStart: () => told.push('start'),
    onPaused: () => told.push('paused'),
    onEvent: ({ rssBytes }) => told.push(`event ${String(rssBytes)}`),
    onEnd: () => told.push('end'),
    over: () => false,
    onRefused: ({ code, message }) => told.push(`${code}: ${message}`),
  });
  const openLoans = (): number => lent.filter(({ open }) => open).length;

  it('begins when it is let, is told how much it has, and gives it back', async () => {
    runner.submit(task('a'));
    await new Promise((resolve) => setImmediate(resolve));
    expect([lent.length, runner.status('a')]).toEqual([0, 'waiting']);
    runner.start();
    await until(() => told.includes('event 1000000000'), 30_000);
    expect([openLoans(), lent[0]?.slot]).toEqual([1, 0]);
    await runner.cancel('a');
    expect(openLoans()).toBe(0);
    expect(told).toEqual(['start', 'event 1000000000']);
  });

  it('is ended when its memory is wanted back, and begins anew when it gets some', async () => {
    runner.start();
    runner.submit(task('a'));
    await until(() => told.length === 2, 30_000);
    lent[0]!.recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    await until(() => told.length === 5, 30_000);
    expect(told).toEqual(['start', 'event 1000000000', 'paused', 'start', 'event 1000000000']);
    expect([lent.length, openLoans()]).toEqual([2, 1]);
    expect(runner.status('a')).toBe('running');
  });

  it('is not begun anew when it had told its end already', async () => {
    runner.start();
    runner.submit({ ...task('a'), over: () => true });
    await until(() => told.length === 2, 30_000);
    lent[0]!.recall.abort(new DhError('memory_pressure', 'Somebody needs it.'));
    await until(() => runner.status('a') === null, 30_000);
    expect(told).toEqual(['start', 'event 1000000000']);
    expect([lent.length, openLoans()]).toEqual([1, 0]);
  });

  it('is left for the next server when this one stops before it has its memory', async () => {
    refusal = new DhError('shutting_down', 'The server is stopping.');
    runner.start();
    runner.submit(task('a'));
    runner.submit(task('b'));
    await until(() => runner.status('b') === null, 30_000);
    expect(told).toEqual([]);
  });

  it('fails when it takes more than it has borrowed, its children included, or gets nothing', async () => {
    bytes = 100e6;
    runner.start();
    runner.submit({ ...task('a'), args: () => [script, '1'] });
    await until(() => told.length === 3, 30_000);
    expect(told[2]).toMatch(/^memory_pressure: The render took \d+ MB of memory, and may take 100 MB\.$/);
    refusal = new DhError('memory_pressure', 'Nothing is free.');
    runner.submit(task('b'));
    await until(() => told.length === 4, 30_000);
    expect(told[3]).toBe('memory_pressure: Nothing is free.');
    expect([openLoans(), runner.status('a'), runner.status('b')]).toEqual([0, null, null]);
  });
});
