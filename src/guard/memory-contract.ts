import type { Config } from '../config/schema.js';
import {
  avatarMb,
  controlItems,
  expectedMemory,
  sessionMb,
  stageItems,
  sumMb,
  type MemoryItem,
  type PictureSize,
} from './memory-account.js';
import { MEMORY_CONSTANTS, type MemoryConstants } from './memory-constants.js';
import {
  bakeAppetite,
  divideMemory,
  mediaAppetite,
  neededMemory,
  stagesThatFit,
  type DivisionWish,
  type MemoryDivision,
} from './memory-division.js';

/** The whole statement about memory that the server makes at its start. */
export interface MemoryContract {
  limitMb: number;
  /** Least limit with which the server starts. */
  needMb: number;
  /** With the session `main` and one viewer. */
  expectedMb: number;
  furtherSessionMb: number;
  furtherViewerMb: number;
  /** Sessions of the configured size with one viewer each, until a process reaches the level at which it trims. */
  sessionsThatFit: number;
  stages: number;
  /** Voices of espeak-ng are in it: one is configured, or has spoken. */
  otherVoices: boolean;
  items: MemoryItem[];
  needItems: MemoryItem[];
  /** What comes and goes, and needs so much while it is there: it is borrowed. */
  borrowers: MemoryItem[];
  division: MemoryDivision;
}

const MB = 1e6;
/** Parts are whole bytes: what fits exactly must not fail for a fraction of one. */
const ROUNDING_BYTES = 1;
const ROUNDING_SESSIONS = 1e-5;

/** Whether a stage with these sessions, a viewer each, stays under the level at which it trims. */
export function fitsStage(
  sessions: readonly PictureSize[],
  stageBytes: number,
  softShare: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): boolean {
  return sumMb(stageItems('stage', sessions, 1, constants)) * MB <= stageBytes * softShare + ROUNDING_BYTES;
}

/** How many sessions of one size, a viewer each, fit under a division. */
export function sessionsThatFit(
  division: Pick<MemoryDivision, 'controlBytes' | 'stageBytes'>,
  { stages, size, softShare, otherVoices = false }: DivisionWish,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): number {
  const fixed = constants.stageMb + constants.stageWorkMb + avatarMb(size, constants);
  const room = (division.stageBytes * softShare) / MB - fixed;
  const inStages =
    stages * Math.max(0, Math.floor(room / (sessionMb(size, constants) + constants.viewerMb) + ROUNDING_SESSIONS));
  const controlRoom = (division.controlBytes * softShare) / MB - sumMb(controlItems(0, otherVoices, constants));
  const inControl =
    constants.controlSessionMb > 0
      ? Math.floor(controlRoom / constants.controlSessionMb + ROUNDING_SESSIONS)
      : inStages;
  return Math.max(0, Math.min(inStages, inControl));
}

/** What a contract depends on beside the configuration and the limit. */
export interface ContractCircumstances {
  /** Counts when the number of stages is left to the server: it takes as many as the limit bears. */
  mostStages: number;
  /** Voices of espeak-ng speak beside the English ones. Default false. */
  otherVoices?: boolean;
  /** The smallest picture that can be recommended when the limit is too small. */
  smallest?: PictureSize;
}

/** The contract of a configuration under a limit. Throws `config_invalid` when the limit is too small. */
export function memoryContract(
  config: Pick<Config, 'session' | 'memory' | 'stages'>,
  limitBytes: number,
  { mostStages, otherVoices = false, smallest }: ContractCircumstances,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryContract {
  const size = config.session;
  const { softShare, imageCacheMb } = config.memory;
  const stages =
    config.stages.count || stagesThatFit(limitBytes, { size, softShare, otherVoices }, mostStages, constants);
  const wish = { stages, size, softShare, otherVoices };
  const division = divideMemory(limitBytes, { ...wish, imageCacheMb, ...(smallest ? { smallest } : {}) }, constants);
  const need = neededMemory(wish, constants);
  const now = expectedMemory({ stages, sessions: [size], viewersPerSession: 1, otherVoices }, constants);
  return {
    limitMb: limitBytes / MB,
    needMb: need.totalMb,
    expectedMb: now.totalMb,
    furtherSessionMb: sessionMb(size, constants) + constants.viewerMb + constants.controlSessionMb,
    furtherViewerMb: constants.viewerMb,
    sessionsThatFit: sessionsThatFit(division, wish, constants),
    stages,
    otherVoices,
    items: now.items,
    needItems: need.items,
    borrowers: [
      { process: 'bake', what: 'drawing of an avatar', mb: bakeAppetite(size, constants).leastMb },
      { process: 'media', what: 'decoding of uploads', mb: mediaAppetite(constants).leastMb },
      { process: 'measure', what: 'cost of a picture, measured once', mb: constants.measureMb },
      ...(otherVoices ? [] : [{ process: 'control', what: 'voices of other languages', mb: constants.otherVoicesMb }]),
    ],
    division,
  };
}

/** The contract as fields of one line of the log, in whole megabytes. */
export function contractLine(contract: MemoryContract): Record<string, number> {
  const { expectedMb, furtherSessionMb, furtherViewerMb, limitMb, needMb, stages, division } = contract;
  return {
    expectedMb: Math.round(expectedMb),
    furtherSessionMb: Math.round(furtherSessionMb * 10) / 10,
    furtherViewerMb: Math.round(furtherViewerMb * 10) / 10,
    limitMb: Math.floor(limitMb),
    needMb: Math.ceil(needMb),
    sessionsThatFit: contract.sessionsThatFit,
    stages,
    controlLimitMb: Math.floor(division.controlBytes / MB),
    stageLimitMb: Math.floor(division.stageBytes / MB),
    spareMb: Math.floor(division.spareBytes / MB),
  };
}
