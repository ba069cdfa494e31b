import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSchema } from '../../src/config/schema.js';
import { AlertWatch } from '../../src/guard/alert-watch.js';
import { RateMeter } from '../../src/frames/rate-meter.js';
import type { Alert } from '../../src/guard/alerts.js';
import { columnsOf, historyColumns, type ServerReading } from '../../src/guard/readings.js';
import { processReading, serverReading } from '../support/server-reading.js';

const config = ConfigSchema.parse({});
const START = 1_700_000_000_000;
let told: [what: 'raised' | 'cleared', alert: Alert][];
let watch: AlertWatch;
let second: number;

beforeEach(() => {
  told = [];
  second = 0;
  watch = new AlertWatch({
    settings: () => config,
    raised: (alert) => told.push(['raised', alert]),
    cleared: (alert) => told.push(['cleared', alert]),
  });
});

/** A reading each second. */
function look(seconds: number, change: Partial<ServerReading> | ((second: number) => Partial<ServerReading>)): void {
  for (let i = 0; i < seconds; i++, second++) {
    const overrides = typeof change === 'function' ? change(second) : change;
    watch.look(serverReading({ atMs: START + second * 1000, ...overrides }));
  }
}
const names = (): string[] => told.map(([what, { name, subject }]) => `${what} ${name} ${subject}`);
const active = (): string[] => watch.book.active().map(({ name }) => name);

describe('hysteresis', () => {
  it('raises after the value was bad long enough, clears after it was good long enough', () => {
    look(10, {});
    look(30, { machineCpuPercent: 95 });
    expect(told).toEqual([]);
    look(1, { machineCpuPercent: 95 });
    expect(names()).toEqual(['raised cpu server']);
    // between release and limit nothing changes
    look(60, { machineCpuPercent: 85 });
    look(29, { machineCpuPercent: 50 });
    look(1, { machineCpuPercent: 88 });
    look(30, { machineCpuPercent: 50 });
    expect(active()).toEqual(['cpu']);
    look(1, { machineCpuPercent: 50 });
    expect(names()).toEqual(['raised cpu server', 'cleared cpu server']);
    const [recent] = watch.book.recent();
    expect(recent).toMatchObject({ name: 'cpu', clearedAtMs: START + (second - 1) * 1000, value: 95, unit: '%' });
    expect(active()).toEqual([]);
  });

  it('begins anew when the value was good for a moment, or was not known', () => {
    look(29, { machineCpuPercent: 95 });
    look(1, { machineCpuPercent: 10 });
    look(29, { machineCpuPercent: 95 });
    look(1, { machineCpuPercent: null });
    look(29, { machineCpuPercent: 95 });
    expect(told).toEqual([]);
  });
});

describe('what is told', () => {
  it('soft and hard memory, of a process and of the server, in whole sentences', () => {
    look(8, { processes: [processReading({ rssBytes: 960e6 })] });
    expect(names()).toEqual(['raised memory-hard stage-0', 'raised memory-soft stage-0']);
    expect(told[0]![1]).toMatchObject({ severity: 'critical', value: 960, limit: 950, unit: 'MB' });
    expect(told[0]![1].message).toMatch(/^The process stage-0 uses 960 MB.*\.$/);
    for (const [, { message, advice }] of told)
      for (const text of [message, advice]) expect(text).toMatch(/^[A-Z].*\.$/s);
    look(8, { processes: [processReading({ rssBytes: 960e6 })], limitBytes: 1000e6 });
    expect(active()).toHaveLength(4);
  });

  it('a session that is watched and shows fewer pictures than are due, not one that saves idle pictures', () => {
    const session = { id: 'a', processingMsP99: 9, queueChunks: 0, viewers: 1 };
    look(20, { sessions: [{ ...session, fps: 0, targetFps: 0 }] });
    look(20, { sessions: [{ ...session, fps: 12.5, targetFps: 12.5 }] });
    look(20, { sessions: [{ ...session, fps: 5, targetFps: 5 }] });
    expect(told).toEqual([]);
    look(13, { sessions: [{ ...session, fps: 11, targetFps: 12.5 }] });
    expect(names()).toEqual(['raised fps a']);
    look(1, { sessions: [] });
    expect(names()).toEqual(['raised fps a', 'cleared fps a']);
  });

  it('pictures that stay slow, not the one stutter of a viewer who joins', () => {
    let nowMs = 0;
    const clock = (): number => nowMs;
    const [due, drawn] = [new RateMeter(25, clock), new RateMeter(25, clock)];
    const session = { id: 'a', processingMsP99: 9, queueChunks: 0, viewers: 1 };
    /** Seconds in each of which so many pictures are lost, the first ones. */
    const show = (seconds: number, lost: (second: number) => number): void =>
      look(seconds, (at) => {
        for (let n = 0; n < 25; n++) {
          nowMs += 40;
          due.mark();
          if (n >= lost(at)) drawn.mark();
        }
        return { sessions: [{ ...session, fps: drawn.perSecond(40), targetFps: due.perSecond(40) }] };
      });
    nowMs = 60_000; // nobody watched for a minute
    show(30, (at) => (at === 0 ? 20 : 0));
    show(30, (at) => (at === 40 ? 25 : 0));
    expect(told).toEqual([]);
    show(20, () => 2);
    expect(names()).toEqual(['raised fps a']);
    show(30, () => 0);
    // A stutter every few seconds is as bad.
    show(30, (at) => (at % 6 === 0 ? 20 : 0));
    expect(names()).toEqual(['raised fps a', 'cleared fps a', 'raised fps a']);
  });

  it('a disk that fills up, at once', () => {
    look(1, { diskFreeBytes: 100e6 });
    expect(told[0]![1]).toMatchObject({ name: 'disk', severity: 'critical', value: 100, limit: 500 });
    look(5, { diskFreeBytes: 550e6 });
    expect(active()).toEqual(['disk']);
  });

  it('an event loop that is late, and a thread that spins', () => {
    look(6, { processes: [processReading({ eventLoopDelayMsP99: 150 })] });
    look(31, { processes: [processReading({ busiestThreadPercent: 100 })] });
    expect(names()).toContain('raised event-loop-delay stage-0');
    expect(names()).toContain('raised thread-spins stage-0');
  });

  it('a stage that was replaced, until five minutes are quiet', () => {
    look(3, { stages: [{ index: 0, restarts: 4, lastReason: null }] });
    expect(told).toEqual([]); // those were before it looked
    look(290, { stages: [{ index: 0, restarts: 5, lastReason: 'exit 1' }] });
    expect(names()).toEqual(['raised stage-restarts stage-0']);
    look(20, { stages: [{ index: 0, restarts: 5, lastReason: 'exit 1' }] });
    expect(names()).toEqual(['raised stage-restarts stage-0', 'cleared stage-restarts stage-0']);
  });

  it('a helper process that fails three times', () => {
    look(1, {});
    look(2, { helperFailures: { media: 2, bake: 0 } });
    expect(told).toEqual([]);
    look(1, { helperFailures: { media: 3, bake: 0 } });
    expect(told[0]![1].message).toContain('decodes uploads failed 3 times');
  });
});

describe('growth that no register explains', () => {
  const grow = (mbPerHour: number) => (at: number) => ({
    processes: [processReading({ unaccountedBytes: 5e6 + (at * mbPerHour * 1e6) / 3600 + (at % 7) * 0.4e6 })],
  });

  it('is told after ten minutes, with the slope', () => {
    look(600, grow(120));
    expect(told).toEqual([]);
    look(10, grow(120));
    expect(names()).toEqual(['raised unaccounted-growth stage-0']);
    expect(told[0]![1].value).toBeGreaterThan(100);
    expect(told[0]![1].value).toBeLessThan(125);
  });

  it('is not told of memory that comes and goes, nor of a little growth, nor of a fresh process', () => {
    look(1200, (at) => ({ processes: [processReading({ unaccountedBytes: 50e6 + 30e6 * Math.sin(at / 40) })] }));
    look(1200, grow(20));
    look(1500, (at) => ({
      processes: [processReading({ pid: Math.floor(at / 500), unaccountedBytes: (at % 500) * 1e5 })],
    }));
    expect(names()).toEqual([]);
  });

  it('is found when a leak begins after hours without one', () => {
    look(3 * 3600, grow(0));
    look(3600, (at) => ({ processes: [processReading({ unaccountedBytes: 5e6 + ((at - 3 * 3600) * 200e6) / 3600 })] }));
    expect(names()).toContain('raised unaccounted-growth stage-0');
  });
});

it('knows nothing where the system tells nothing: columns are null, and nothing is alarmed', () => {
  const blind = processReading({
    heapUsedBytes: null,
    externalBytes: null,
    eventLoopDelayMsP99: null,
    accountedBytes: null,
    unaccountedBytes: null,
    limitBytes: null,
    threads: null,
    busiestThreadPercent: null,
    handles: null,
  });
  const reading = { processes: [blind], machineCpuPercent: null, networkBytesPerS: null, diskFreeBytes: null };
  look(700, reading);
  expect(told).toEqual([]);
  const row = columnsOf(serverReading(reading));
  for (const name of ['threads', 'handles', 'diskFreeBytes', 'eventLoopDelayMsP99', 'unaccountedBytes']) {
    expect(row[name]).toBeNull();
  }
  expect(row['rssBytes.stage-0']).toBe(100e6);
  expect(Object.keys(row).every((name) => historyColumns(['stage-0']).includes(name))).toBe(true);
});
