import type { AlertRule } from './alerts.js';

const SECOND = 1000;
const mb = (value: number): string => `${Math.round(value)} MB`;
const process = (name: string): string => (name === 'server' ? 'The server' : `The process ${name}`);

/** All alerts there are. Limits come with each observation. */
export const ALERT_RULES = {
  memorySoft: {
    name: 'memory-soft',
    severity: 'warning',
    unit: 'MB',
    bad: 'above',
    raiseAfterMs: 5 * SECOND,
    clearAfterMs: 10 * SECOND,
    message: (subject, value, limit) =>
      `${process(subject)} uses ${mb(value)}; from ${mb(limit)} on caches are trimmed.`,
    advice:
      'Close sessions that nobody needs, choose a smaller preset, or raise memory.maxMemoryMb. GET /api/v1/memory shows ' +
      'what holds the memory.',
  },
  memoryHard: {
    name: 'memory-hard',
    severity: 'critical',
    unit: 'MB',
    bad: 'above',
    raiseAfterMs: SECOND,
    clearAfterMs: 10 * SECOND,
    message: (subject, value, limit) => `${process(subject)} uses ${mb(value)}; from ${mb(limit)} on work is refused.`,
    advice: 'Close sessions now, or raise memory.maxMemoryMb; otherwise the heaviest session will be ended.',
  },
  cpu: {
    name: 'cpu',
    severity: 'warning',
    unit: '%',
    bad: 'above',
    raiseAfterMs: 30 * SECOND,
    clearAfterMs: 30 * SECOND,
    message: (_subject, value, limit) =>
      `The machine works at ${Math.round(value)} % of all its cores; the limit is ${Math.round(limit)} %.`,
    advice: 'Close sessions, choose a smaller or faster preset, or move other programs to another machine.',
  },
  eventLoopDelay: {
    name: 'event-loop-delay',
    severity: 'warning',
    unit: 'ms',
    bad: 'above',
    raiseAfterMs: 5 * SECOND,
    clearAfterMs: 10 * SECOND,
    message: (subject, value, limit) =>
      `${process(subject)} reacts ${Math.round(value)} ms late (99th percentile); the limit is ${Math.round(limit)} ms.`,
    advice: 'The machine is overloaded or one piece of work takes too long: compare with CPU, and close sessions.',
  },
  fps: {
    name: 'fps',
    severity: 'warning',
    unit: 'pictures/s',
    bad: 'below',
    // Rates are of ten seconds: one stutter, as when a viewer joins, stays in them for so long and no longer.
    raiseAfterMs: 12 * SECOND,
    clearAfterMs: 5 * SECOND,
    message: (subject, value, limit) =>
      `Session ${subject} shows ${value.toFixed(1)} pictures a second; the least is ${limit.toFixed(1)}.`,
    advice: 'Choose a smaller size or a faster x264Preset for the session, or close other sessions.',
  },
  disk: {
    name: 'disk',
    severity: 'critical',
    unit: 'MB',
    bad: 'below',
    raiseAfterMs: 0,
    clearAfterMs: 10 * SECOND,
    message: (_subject, value, limit) => `Only ${mb(value)} of disk space are free; the least is ${mb(limit)}.`,
    advice: 'Delete files on the disks of cacheDir and of the temporary folder, or uploads and new avatars will fail.',
  },
  growth: {
    name: 'unaccounted-growth',
    severity: 'warning',
    unit: 'MB/h',
    bad: 'above',
    raiseAfterMs: 0,
    clearAfterMs: 60 * SECOND,
    message: (subject, value, limit) =>
      `Memory of ${subject} that is in no register grows by at least ${Math.round(value)} MB per hour; the limit is ` +
      `${Math.round(limit)} MB.`,
    advice:
      'This looks like a leak. Watch it with dh-live monitor, report it, and restart the server before it is full.',
  },
  restarts: {
    name: 'stage-restarts',
    severity: 'warning',
    unit: 'restarts',
    bad: 'above',
    raiseAfterMs: 0,
    clearAfterMs: 0,
    message: (subject, value) =>
      `${subject} was replaced ${value === 1 ? 'once' : `${value} times`} in the last five minutes.`,
    advice: 'Its sessions came back by themselves. The log says why it was replaced; when it goes on, close sessions.',
  },
  threadSpins: {
    name: 'thread-spins',
    severity: 'warning',
    unit: '%',
    bad: 'above',
    raiseAfterMs: 30 * SECOND,
    clearAfterMs: 5 * SECOND,
    message: (subject, value) => `A thread of ${subject} has used ${Math.round(value)} % of a core for half a minute.`,
    advice:
      'In a stage it ends with a replacement. In control it is a very long text, or a fault: restart when it stays.',
  },
  helperFails: {
    name: 'helper-fails',
    severity: 'warning',
    unit: 'failures',
    bad: 'above',
    raiseAfterMs: 0,
    clearAfterMs: 0,
    message: (subject, value) =>
      `The process that ${subject === 'media' ? 'decodes uploads' : 'draws avatars'} failed ${value} times in ten minutes.`,
    advice: 'Look at its lines in the log: a damaged file, too little memory (memory.maxMemoryMb), or a full disk.',
  },
} as const satisfies Record<string, AlertRule>;
