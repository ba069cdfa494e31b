import type { ProcessReading, ServerReading } from '../../src/guard/readings.js';

/** One process that is well. */
export function processReading(overrides: Partial<ProcessReading> = {}): ProcessReading {
  return {
    name: 'stage-0',
    pid: 100,
    rssBytes: 100e6,
    cpuPercent: 20,
    heapUsedBytes: 20e6,
    externalBytes: 30e6,
    eventLoopDelayMsP99: 1,
    accountedBytes: 40e6,
    unaccountedBytes: 5e6,
    limitBytes: 1000e6,
    loanBytes: 0,
    threads: 12,
    busiestThreadPercent: 3,
    handles: 30,
    ...overrides,
  };
}

/** A server that is well; all figures can be set. */
export function serverReading(overrides: Partial<ServerReading> = {}): ServerReading {
  return {
    atMs: 1_700_000_000_000,
    limitBytes: 3000e6,
    processes: [processReading({ name: 'control', pid: 99 }), processReading()],
    sessions: [{ id: 'main', fps: 25, targetFps: 25, processingMsP99: 9, queueChunks: 0, viewers: 1 }],
    stages: [{ index: 0, restarts: 0, lastReason: null }],
    machineCpuPercent: 30,
    networkBytesPerS: 300_000,
    diskFreeBytes: 50e9,
    libuv: { poolSize: 4, requests: 0 },
    helperFailures: { media: 0, bake: 0 },
    ...overrides,
  };
}
