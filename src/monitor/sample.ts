import type { LadderStep, MemoryLevel } from '../guard/guard-state.js';

/** One process at one moment; null: not known. */
export interface ProcessSample {
  name: string;
  pid: number;
  rssBytes: number;
  cpuPercent: number | null;
  level: MemoryLevel | null;
  step: LadderStep | null;
  baseBytes: number | null;
  accountedBytes: number | null;
  unaccountedBytes: number | null;
}

/** One line of a process's memory registry. */
export interface OwnerSample {
  process: string;
  owner: string;
  name: string;
  bytes: number;
  limitBytes: number | null;
  hits: number;
  misses: number;
}

/** One session at one moment. */
export interface SessionSample {
  id: string;
  state: string;
  fps: number;
  processingMsP50: number;
  processingMsP99: number;
  queueChunks: number;
  queueCapacity: number;
  drops: number;
  skippedFrames: number;
  viewers: number;
}

/** What an operator should know now, in words. */
export interface AlertSample {
  id: string;
  severity: 'warning' | 'critical';
  message: string;
  advice: string;
}

/** Everything that was seen of a server at one moment. What the server does not tell is empty or null. */
export interface Sample {
  /** Milliseconds since 1970. */
  atMs: number;
  rssBytes: number;
  limitBytes: number | null;
  level: MemoryLevel | null;
  step: LadderStep | null;
  uptimeMs: number | null;
  processes: ProcessSample[];
  /** Largest first. */
  owners: OwnerSample[];
  sessions: SessionSample[];
  alerts: AlertSample[];
}

/** Where samples come from. */
export interface Source {
  /** What is watched, in words: an address or a pid. */
  readonly subject: string;
  /** Throws `server_unreachable` or `unauthorized`. */
  sample(): Promise<Sample>;
  close(): void;
}

/** Sums and extremes over the parts of a sample, as the lines and files show them; null: not known. */
export function totalsOf(sample: Sample) {
  const { processes, sessions } = sample;
  const sum = (values: (number | null)[]): number | null => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  const watched = sessions.filter(({ viewers }) => viewers > 0);
  return {
    cpuPercent: sum(processes.map(({ cpuPercent }) => cpuPercent)),
    accountedBytes: sum(processes.map(({ accountedBytes }) => accountedBytes)),
    unaccountedBytes: sum(processes.map(({ unaccountedBytes }) => unaccountedBytes)),
    /** Of the sessions that somebody watches: the others draw nothing. */
    fpsLowest: watched.length === 0 ? null : Math.min(...watched.map(({ fps }) => fps)),
    processingMsP99: watched.length === 0 ? null : Math.max(...watched.map(({ processingMsP99 }) => processingMsP99)),
    queueChunks: sum(sessions.map(({ queueChunks }) => queueChunks)),
    drops: sum(sessions.map(({ drops }) => drops)),
    skippedFrames: sum(sessions.map(({ skippedFrames }) => skippedFrames)),
    viewers: sum(sessions.map(({ viewers }) => viewers)),
  };
}
