/** What is known of one process at a time; null: not on this system, or not now. */
export interface ProcessReading {
  name: string;
  pid: number;
  rssBytes: number;
  /** Percent of one core. */
  cpuPercent: number;
  heapUsedBytes: number | null;
  externalBytes: number | null;
  eventLoopDelayMsP99: number | null;
  accountedBytes: number | null;
  unaccountedBytes: number | null;
  /** The limit of the process itself; null: it has none. */
  limitBytes: number | null;
  /** What it has borrowed: a process that comes and goes has no limit of its own. */
  loanBytes: number;
  threads: number | null;
  /** The busiest thread beside the main one, in percent of one core. */
  busiestThreadPercent: number | null;
  /** Open file descriptors; on systems without /proc the active resources of Node, of control only. */
  handles: number | null;
}

export interface SessionReading {
  id: string;
  fps: number;
  /** Pictures that were due in the time of `fps`: 0 while nobody watches. */
  targetFps: number;
  processingMsP99: number;
  queueChunks: number;
  viewers: number;
}

export interface StageReading {
  index: number;
  restarts: number;
  /** Why the last one was replaced; null: none was. */
  lastReason: string | null;
}

/** What was measured of the whole server at one time. */
export interface ServerReading {
  /** Milliseconds since 1970. */
  atMs: number;
  limitBytes: number;
  processes: ProcessReading[];
  sessions: SessionReading[];
  stages: StageReading[];
  /** CPU of the machine, all processes, in percent of all cores; null in the first second. */
  machineCpuPercent: number | null;
  /** Media bytes that the stages sent in the last second. */
  networkBytesPerS: number | null;
  diskFreeBytes: number | null;
  /** Threads of libuv's pool in control, and requests that they work on or that wait for them. */
  libuv: { poolSize: number; requests: number };
  /** Failures of the helper processes since the start. */
  helperFailures: { media: number; bake: number };
}

/** One number for each column of the history. */
export function columnsOf(reading: ServerReading): Record<string, number | null> {
  const { processes, sessions } = reading;
  const watched = sessions.filter(({ targetFps }) => targetFps > 0);
  const row: Record<string, number | null> = {
    rssBytes: sum(processes.map(({ rssBytes }) => rssBytes)),
    limitBytes: reading.limitBytes,
    cpuPercent: sum(processes.map(({ cpuPercent }) => cpuPercent)),
    machineCpuPercent: reading.machineCpuPercent,
    fpsLowest: watched.length === 0 ? null : Math.min(...watched.map(({ fps }) => fps)),
    processingMsP99: sessions.length === 0 ? null : Math.max(...sessions.map(({ processingMsP99 }) => processingMsP99)),
    queueChunks: sum(sessions.map(({ queueChunks }) => queueChunks)),
    viewers: sum(sessions.map(({ viewers }) => viewers)),
    sessions: sessions.length,
    eventLoopDelayMsP99: most(processes.map((process) => process.eventLoopDelayMsP99)),
    accountedBytes: total(processes.map((process) => process.accountedBytes)),
    unaccountedBytes: total(processes.map((process) => process.unaccountedBytes)),
    heapUsedBytes: total(processes.map((process) => process.heapUsedBytes)),
    externalBytes: total(processes.map((process) => process.externalBytes)),
    threads: total(processes.map((process) => process.threads)),
    busiestThreadPercent: most(processes.map((process) => process.busiestThreadPercent)),
    handles: total(processes.map((process) => process.handles)),
    networkBytesPerS: reading.networkBytesPerS,
    diskFreeBytes: reading.diskFreeBytes,
    libuvRequests: reading.libuv.requests,
  };
  for (const { name, rssBytes, cpuPercent } of processes) {
    row[`rssBytes.${name}`] = rssBytes;
    row[`cpuPercent.${name}`] = cpuPercent;
  }
  return row;
}

/** The columns of a server with these processes, in order. */
export function historyColumns(processes: readonly string[]): string[] {
  const none: ServerReading = {
    atMs: 0,
    limitBytes: 0,
    processes: [],
    sessions: [],
    stages: [],
    machineCpuPercent: null,
    networkBytesPerS: null,
    diskFreeBytes: null,
    libuv: { poolSize: 0, requests: 0 },
    helperFailures: { media: 0, bake: 0 },
  };
  return [
    ...Object.keys(columnsOf(none)),
    ...processes.map((name) => `rssBytes.${name}`),
    ...processes.map((name) => `cpuPercent.${name}`),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Sum of what is known; null when nothing is. */
function total(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : sum(known);
}

function most(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
