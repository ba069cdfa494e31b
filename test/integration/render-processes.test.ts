import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ChildTaskRunner } from '../../src/server/renders/task-runner.js';
import { ServerStats, type ProcessFigures, type ServerStatsParts } from '../../src/server/server-stats.js';
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
        args: [script, String(bytes)],
        onStart: () => undefined,
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
