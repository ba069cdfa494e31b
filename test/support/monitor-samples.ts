import type { Sample } from '../../src/monitor/sample.js';

/** A sample as a server with one session would give it; whatever is given is replaced. */
export function sample(over: Partial<Sample> = {}): Sample {
  const process = (name: string, pid: number, rssBytes: number) => ({
    name,
    pid,
    rssBytes,
    cpuPercent: 12.4,
    level: 'normal' as const,
    step: null,
    baseBytes: 60e6,
    accountedBytes: 30e6,
    unaccountedBytes: rssBytes - 90e6,
  });
  return {
    atMs: Date.UTC(2030, 0, 1),
    rssBytes: 212e6,
    limitBytes: 3000e6,
    level: 'normal',
    step: null,
    uptimeMs: 3_600_000,
    processes: [process('control', 100, 96e6), process('stage-0', 101, 116e6)],
    owners: [
      {
        process: 'stage-0',
        owner: 'session main',
        name: 'frame pool',
        bytes: 6.9e6,
        limitBytes: 6.9e6,
        hits: 90,
        misses: 10,
      },
      { process: 'control', owner: 'pictures', name: 'image cache', bytes: 2e6, limitBytes: 200e6, hits: 0, misses: 0 },
    ],
    sessions: [
      {
        id: 'main',
        state: 'speaking',
        fps: 25,
        processingMsP50: 4.4,
        processingMsP99: 8.1,
        queueChunks: 1,
        queueCapacity: 3,
        drops: 7,
        skippedFrames: 2,
        viewers: 3,
      },
    ],
    alerts: [
      {
        id: 'a1',
        severity: 'warning',
        message: 'The disk is nearly full.',
        advice: 'Delete old recordings or give it more room.',
      },
    ],
    ...over,
  };
}
