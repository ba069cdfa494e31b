import type { MemoryEntry } from './memory-registry.js';
import type { ScopeFigures } from './memory-scope.js';

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
  /** rss − base − accounted: what no register explains. Below 0 when unused pages went back to the system. */
  unaccountedBytes: number;
  /** Forced garbage collections. */
  collections: number;
  entries: MemoryEntry[];
  /** What pieces of work did to the memory of the process. */
  scopes: ScopeFigures[];
}

/** Whether the process takes no new sessions and viewers now. */
export function refusesWork({ step }: Pick<GuardState, 'step'>): boolean {
  return step !== null && LADDER_STEPS.indexOf(step) >= LADDER_STEPS.indexOf('refuse');
}

/** One step that was taken or released, or what an operator should know: a line in the log and an event. */
export interface GuardEvent {
  /** `control`, `stage-0` … ; filled in by whoever knows. */
  process: string;
  /** `collect`: garbage was collected outside a step. `warning`: no step helps, `detail` says what does. */
  what: 'step' | 'release' | 'collect' | 'warning';
  step: LadderStep | null;
  level: MemoryLevel;
  /** Resident memory before the step; of a release, when the step was taken. */
  beforeMb: number;
  /** After a step that works at once, and of a release now; null when its effect comes later. */
  afterMb: number | null;
  limitMb: number;
  /** How long the process was busy with it, in ms. */
  tookMs: number;
  detail: string;
}
