import type { IdleQuality, SessionProfile } from '../config/schema.js';
import { FRAME_MS, FRAME_RATE } from '../units.js';
import { pictureCpuMs, type FrameCosts } from './frame-cost.js';
import { MEMORY_CONSTANTS, type MemoryConstants } from './memory-constants.js';
import { expectedMemory } from './memory-account.js';
import { sessionsThatFit } from './memory-contract.js';
import { neededMemory, type MemoryDivision } from './memory-division.js';

/** What a plan is made from. */
export interface CapacityInput {
  cores: number;
  stages: number;
  limitBytes: number;
  division: MemoryDivision;
  softShare: number;
  /** Voices of espeak-ng are loaded beside the English ones. */
  otherVoices: boolean;
  /** The operator's upper bound. */
  maxSessions: number;
  /** Null while nothing is measured: then CPU is not judged. */
  costs: FrameCosts | null;
}

/** Whether some sessions fit, all watched by one viewer and speaking at the same time. */
export interface Plan {
  sessions: number;
  preset: string;
  fits: boolean;
  memoryMb: number;
  memoryLimitMb: number;
  /** Cores in use; null while the cost of a picture is not known. */
  cpuCores: number | null;
  cpuCoresUsable: number;
  why: string;
}

/** How many sessions of one profile the server takes, by what bounds them. */
export interface Capacity {
  bySetting: number;
  byMemory: number;
  /** All watched and speaking at the same time; null while the cost is not known. */
  byCpu: number | null;
  /** All watched, none speaking, with idle pictures of the lowest quality. */
  byCpuIdle: number | null;
}

/** A stage draws in one thread: of its core so much is planned for pictures, the rest is for packets and for peaks. */
const USABLE_SHARE = 0.8;
/** Sound, queue and packets of a session and its viewer, in cores. */
const SESSION_CORES = 0.015;
/** A picture may take this much of its 40 ms on average, or a peak makes the next one late. */
const PICTURE_SHARE = 0.5;
/** Cost of idle pictures by quality, as a share of `full`. */
export const IDLE_SHARES: Record<IdleQuality, number> = { full: 1, half: 0.5, low: 0.2 };

/** Cores that sessions may use: stages draw at most one thread each, and control needs some. */
export function usableCores({ cores, stages }: Pick<CapacityInput, 'cores' | 'stages'>): number {
  return USABLE_SHARE * Math.min(cores, stages);
}

/** Cores that one watched session uses while it speaks, or is idle with a quality. */
export function sessionCores(profile: SessionProfile, costs: FrameCosts, idle: IdleQuality | null = null): number {
  const share = idle === null ? 1 : IDLE_SHARES[idle];
  return SESSION_CORES + (share * FRAME_RATE * pictureCpuMs(profile, costs)) / 1000;
}

/** Answers whether `sessions` of a profile fit, and why not. */
export function planFor(
  sessions: number,
  preset: string,
  profile: SessionProfile,
  input: CapacityInput,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): Plan {
  const sizes = Array.from({ length: sessions }, () => profile);
  const { stages, otherVoices } = input;
  const memoryMb = expectedMemory({ stages, sessions: sizes, viewersPerSession: 1, otherVoices }, constants).totalMb;
  const capacity = capacityOf(profile, input, constants);
  const cpuCoresUsable = usableCores(input);
  const cpuCores = input.costs === null ? null : sessions * sessionCores(profile, input.costs);
  const reasons: string[] = [];
  if (sessions > capacity.bySetting) reasons.push(`limits.maxSessions is ${capacity.bySetting}`);
  if (sessions > capacity.byMemory) {
    const stageMb = Math.floor((input.division.stageBytes * input.softShare) / 1e6);
    reasons.push(`memory is enough for ${capacity.byMemory}: a stage may use ${stageMb} MB before it trims`);
  }
  if (capacity.byCpu !== null && sessions > capacity.byCpu) {
    reasons.push(`CPU is enough for ${capacity.byCpu} that speak at the same time`);
  }
  const fits = reasons.length === 0;
  const figures = `${Math.round(memoryMb)} of ${Math.floor(input.limitBytes / 1e6)} MB, ${cpuCores === null ? 'CPU not measured' : `${cpuCores.toFixed(2)} of ${cpuCoresUsable.toFixed(2)} cores`}`;
  return {
    sessions,
    preset,
    fits,
    memoryMb,
    memoryLimitMb: input.limitBytes / 1e6,
    cpuCores,
    cpuCoresUsable,
    why: fits ? `They fit: ${figures}.` : `They do not fit (${figures}): ${reasons.join('; ')}.`,
  };
}

/** How many sessions of a profile the server takes. */
export function capacityOf(
  profile: SessionProfile,
  input: CapacityInput,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): Capacity {
  const { costs, division, stages, softShare, otherVoices, maxSessions } = input;
  const usable = usableCores(input);
  const count = (cores: number): number => Math.floor(usable / cores + 1e-9);
  return {
    bySetting: maxSessions,
    byMemory: sessionsThatFit(division, { stages, size: profile, softShare, otherVoices }, constants),
    byCpu: costs && count(sessionCores(profile, costs)),
    byCpuIdle: costs && count(sessionCores(profile, costs, 'low')),
  };
}

/** A preset as it is chosen among. */
export interface PresetChoice {
  name: string;
  profile: SessionProfile;
  /** Memory limit that the server would have with it. */
  limitBytes: number;
  softShare: number;
  /** Stages that there will be at least. */
  stages: number;
}

/**
 * The best preset, by pixels, with which one session fits with room to spare: its pictures take at most half of their
 * 40 ms, and the memory that the server needs is there. The smallest one when none does.
 */
export function choosePreset(
  choices: readonly PresetChoice[],
  costs: FrameCosts,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): { preset: string; why: string } {
  const best = [...choices].sort((a, b) => b.profile.width * b.profile.height - a.profile.width * a.profile.height);
  const passed: string[] = [];
  const mostMs = PICTURE_SHARE * FRAME_MS;
  for (const { name, profile, limitBytes, softShare, stages } of best) {
    const ms = pictureCpuMs(profile, costs);
    const needMb = neededMemory({ stages, size: profile, softShare }, constants).totalMb;
    const limitMb = limitBytes / 1e6;
    if (ms > mostMs) passed.push(`${name} takes ${ms.toFixed(1)} ms a picture`);
    else if (needMb > limitMb) passed.push(`${name} needs ${Math.ceil(needMb)} MB of ${Math.floor(limitMb)}`);
    else {
      const fits =
        `the largest that fits with room to spare: ${ms.toFixed(1)} ms a picture of at most ${mostMs}, needs ` +
        `${Math.ceil(needMb)} MB of ${Math.floor(limitMb)}`;
      return { preset: name, why: [fits, ...passed].join('; ') };
    }
  }
  const smallest = best.at(-1);
  if (!smallest) throw new RangeError('there is no preset to choose from');
  return { preset: smallest.name, why: `none fits with room to spare: ${passed.join('; ')}` };
}
