import { afterEach, expect, test, vi } from 'vitest';
import { ChildTaskRunner, type Task } from '../../src/server/renders/task-runner.js';

const runners: ChildTaskRunner[] = [];
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
});

function open(maxWaiting: number): ChildTaskRunner {
  const runner = new ChildTaskRunner({ concurrency: 1, maxWaiting: () => maxWaiting });
  runners.push(runner);
  return runner;
}

function task(id: string, script = 'setInterval(() => {}, 1000)', over: Partial<Task> = {}): Task {
  return {
    id,
    args: () => ['-e', script],
    appetite: { leastMb: 1, comfortableMb: 1 },
    onStart: vi.fn(),
    onPaused: vi.fn(),
    onEvent: vi.fn(),
    onEnd: vi.fn(),
    over: () => false,
    onRefused: vi.fn(),
    ...over,
  };
}

test('cancelled tasks leave the line at once, and others take their places', async () => {
  const runner = open(3);
  const waiting = ['b', 'c', 'd'].map((id) => task(id));
  for (const each of [task('a'), ...waiting]) runner.submit(each);
  expect(() => runner.submit(task('e'))).toThrow(expect.objectContaining({ code: 'queue_full' }));
  await Promise.all(waiting.map(({ id }) => runner.cancel(id)));
  expect(waiting.map(({ id }) => runner.status(id))).toEqual([null, null, null]);
  const later = ['e', 'f', 'g'].map((id) => task(id));
  for (const each of later) runner.submit(each);
  await runner.cancel('a');
  await vi.waitFor(() => expect(later[0]!.onStart).toHaveBeenCalled());
  for (const { onStart, onEnd, onRefused } of waiting) {
    expect([onStart, onEnd, onRefused].map((each) => vi.mocked(each).mock.calls.length)).toEqual([0, 0, 0]);
  }
});

test('a task that runs keeps its turn until its process is gone', async () => {
  const runner = open(1);
  const stubborn = `process.on('SIGTERM', () => setTimeout(() => process.exit(0), 150));
    console.log(JSON.stringify({ pid: process.pid }));
    setInterval(() => {}, 1000);`;
  const pid = await new Promise<number>((resolve) => {
    runner.submit(task('a', stubborn, { onEvent: (event) => resolve(event['pid'] as number) }));
  });
  const began = new Promise<boolean>((resolve) => {
    runner.submit(task('b', '', { onStart: () => resolve(isAlive(pid)) }));
  });
  await runner.cancel('a');
  expect(await began).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
