import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startStatsLine } from '../../src/server/stats-line.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('writes a line a session while it works, and is quiet about one at rest', async () => {
  const lines: { session: string; state: string; memoryMb: number }[] = [];
  const log = pino({}, { write: (text: string) => void lines.push(JSON.parse(text) as (typeof lines)[0]) });
  const one = (id: string) => ({
    id,
    state: 'idle',
    viewers: 0,
    fps: 25,
    processingMs: { mean: 4, p50: 4, p99: 8, max: 9 },
    queue: { length: 0, capacity: 3, drops: 0 },
    skippedFrames: 0,
  });
  const [main, guide] = [one('main'), one('guide')];
  guide.viewers = 1;
  const stats = {
    processes: async () => [{ name: 'control', pid: 1, rssBytes: 100e6, cpuPercent: 1 }],
    server: async () => ({ sessions: [main, guide] }) as never,
  };
  const line = startStatsLine(stats, 10, log);
  const after = async (seconds: number) => {
    lines.length = 0;
    await vi.advanceTimersByTimeAsync(seconds * 1000);
    return lines.map(({ session, state }) => `${session} ${state}`);
  };
  expect(await after(10)).toEqual(['main idle', 'guide idle']);
  expect(lines[0]!.memoryMb).toBe(100);
  expect(await after(30)).toEqual(['guide idle', 'guide idle', 'guide idle']);
  main.state = 'speaking';
  guide.viewers = 0;
  expect(await after(10)).toEqual(['main speaking', 'guide idle']);
  main.state = 'idle';
  expect(await after(10)).toEqual(['main idle']);
  expect(await after(60)).toEqual([]);
  line.close();
  main.state = 'speaking';
  expect(await after(60)).toEqual([]);
});
