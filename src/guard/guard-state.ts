import type { MemoryEntry } from './memory-registry.js';

/** Where a process stands against its limit. */
export type MemoryLevel = 'normal' | 'soft' | 'hard';

/** The steps of the ladder, in the order in which they are taken. */
export const LADDER_STEPS = ['trim', 'lower-idle-quality', 'refuse', 'end-heaviest', 'restart'] as const;
export type LadderStep = (typeof LADDER_STEPS)[number];

/** The memory of one process, as it travels to control, `/stats`, the studio and the monitor. */
export interface GuardState {
  level: MemoryLevel;
  /** The highest step that is in force; null: none. */
  step: LadderStep | null;
  rssBytes: number;
  limitBytes: number;
  /** Most since the start. */
  peakBytes: number;
  /** Code, libraries and the empty heap: RSS when the process was ready, before it had work. */
  baseBytes: number;
  /** Bytes of all registry entries. */
  accountedBytes: number;
  /** rss − base − accounted: what no register explains. */
  unaccountedBytes: number;
  /** Forced garbage collections. */
  collections: number;
  entries: MemoryEntry[];
}

/** One step that was taken or released: a line in the log and an event. */
export interface GuardEvent {
  /** `control`, `stage-0` … ; filled in by whoever knows. */
  process: string;
  what: 'step' | 'release' | 'collect';
  step: LadderStep | null;
  level: MemoryLevel;
  beforeMb: number;
  /** After a step that works at once; null when its effect comes later. */
  afterMb: number | null;
  limitMb: number;
  detail: string;
}
