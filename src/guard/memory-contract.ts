import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { MEMORY_CONSTANTS, type MemoryConstants } from './memory-constants.js';

/** The size of a session's picture, in pixels. */
export interface PictureSize {
  width: number;
  height: number;
}

/** What a server has to do, for which memory is asked. */
export interface MemoryDemand {
  stages: number;
  /** One entry for each session; they go to the stage with the fewest, in this order. */
  sessions: readonly PictureSize[];
  viewersPerSession: number;
}

/** One line of the account. */
export interface MemoryItem {
  process: string;
  what: string;
  mb: number;
}

/** What is expected, in MB (10⁶ bytes) of resident memory. */
export interface ExpectedMemory {
  totalMb: number;
  processes: { name: string; mb: number }[];
  items: MemoryItem[];
}

/** The limit of the whole server, divided: the parts together are never more than it. */
export interface MemoryDivision {
  controlBytes: number;
  /** Of each stage. */
  stageBytes: number;
  mediaBytes: number;
  bakeBytes: number;
  /** Of each stage: most decoded pictures that it keeps, part of `stageBytes`. */
  imageCacheBytes: number;
}

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
  items: MemoryItem[];
  needItems: MemoryItem[];
  division: MemoryDivision;
}

/** Parts of what the limit leaves over what is needed; the stages get the rest, because sessions grow there. */
const CONTROL_SLACK_SHARE = 0.1;
const CHILD_SLACK_SHARE = 0.08;
const CONTROL_SLACK_MOST_MB = 400;
const MEDIA_MOST_MB = 250;
const IMAGE_CACHE_SHARE = 0.25;
const MB = 1e6;

const megapixels = ({ width, height }: PictureSize): number => (width * height) / 1e6;

/** Memory of an avatar that was drawn for a size; the sessions of a stage share it. */
export function avatarMb(size: PictureSize, constants: MemoryConstants = MEMORY_CONSTANTS): number {
  return constants.avatarMb + constants.avatarMbPerMegapixel * megapixels(size);
}

/** Memory of one session: its engine, frame pool, encoders and queue, without the avatar and without viewers. */
export function sessionMb(size: PictureSize, constants: MemoryConstants = MEMORY_CONSTANTS): number {
  return constants.sessionMb + constants.sessionMbPerMegapixel * megapixels(size);
}

/** What the process that draws an avatar for a size takes while it draws. */
function bakeMb(size: PictureSize, constants: MemoryConstants): number {
  return constants.bakeMb + constants.bakeMbPerMegapixel * megapixels(size);
}

/** The account of one stage with these sessions. */
export function stageItems(
  name: string,
  sessions: readonly PictureSize[],
  viewersPerSession: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryItem[] {
  const items: MemoryItem[] = [{ process: name, what: 'base', mb: constants.stageMb }];
  if (sessions.length === 0) return items;
  items.push({ process: name, what: 'libraries in use', mb: constants.stageWorkMb });
  const bySize = new Map<string, { size: PictureSize; count: number }>();
  for (const size of sessions) {
    const key = `${size.width}×${size.height}`;
    bySize.set(key, { size, count: (bySize.get(key)?.count ?? 0) + 1 });
  }
  for (const [key, { size, count }] of bySize) {
    items.push({ process: name, what: `avatar for ${key}`, mb: avatarMb(size, constants) });
    items.push({
      process: name,
      what: `${plural(count, 'session')} of ${key}`,
      mb: count * sessionMb(size, constants),
    });
  }
  const viewers = sessions.length * viewersPerSession;
  if (viewers > 0) items.push({ process: name, what: plural(viewers, 'viewer'), mb: viewers * constants.viewerMb });
  return items;
}

/** What a server that does this takes, item by item. The processes that come and go (media, bake) are not in it. */
export function expectedMemory(demand: MemoryDemand, constants: MemoryConstants = MEMORY_CONSTANTS): ExpectedMemory {
  const items: MemoryItem[] = [
    { process: 'control', what: 'base', mb: constants.controlMb },
    { process: 'control', what: 'embedded voices', mb: constants.voicesMb },
    { process: 'control', what: 'sessions', mb: demand.sessions.length * constants.controlSessionMb },
  ];
  for (let index = 0; index < demand.stages; index++) {
    const mine = demand.sessions.filter((_, i) => i % demand.stages === index);
    items.push(...stageItems(`stage-${index}`, mine, demand.viewersPerSession, constants));
  }
  return { ...sums(items), items };
}

function sums(items: readonly MemoryItem[]): Omit<ExpectedMemory, 'items'> {
  const byProcess = new Map<string, number>();
  for (const { process, mb } of items) byProcess.set(process, (byProcess.get(process) ?? 0) + mb);
  const processes = [...byProcess].map(([name, mb]) => ({ name, mb }));
  return { processes, totalMb: processes.reduce((sum, { mb }) => sum + mb, 0) };
}

/**
 * What a limit must be at least: in each stage one session with a viewer, in processes that stay under the level at which
 * they begin to trim, and room for the two processes that come and go.
 */
export function neededMemory(
  stages: number,
  size: PictureSize,
  softShare: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): ExpectedMemory {
  const sessions = Array.from({ length: stages }, () => size);
  const { items } = expectedMemory({ stages, sessions, viewersPerSession: 1 }, constants);
  items.push({ process: 'control', what: 'voices of other languages', mb: constants.otherVoicesMb });
  const running = sums(items).totalMb;
  const all: MemoryItem[] = [
    ...items,
    {
      process: 'all',
      what: `room up to the soft level (${Math.round(softShare * 100)} %)`,
      mb: running / softShare - running,
    },
    { process: 'media', what: 'decoding of uploads', mb: constants.mediaMb },
    { process: 'bake', what: 'drawing of an avatar', mb: bakeMb(size, constants) },
  ];
  return { ...sums(all), items: all };
}

/** The most stages, from `most` down to 1, whose need fits into the limit; 1 when not even that fits. */
export function stagesThatFit(
  limitBytes: number,
  size: PictureSize,
  softShare: number,
  most: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): number {
  let stages = Math.max(1, most);
  while (stages > 1 && neededMemory(stages, size, softShare, constants).totalMb * MB > limitBytes) stages -= 1;
  return stages;
}

/**
 * Divides the limit of the whole server among its processes. Throws `config_invalid`, with the account of what is
 * needed, when it is too small. Every process gets what it needs, and a part of what is left.
 */
export function divideMemory(
  limitBytes: number,
  {
    stages,
    size,
    softShare,
    imageCacheMb,
  }: { stages: number; size: PictureSize; softShare: number; imageCacheMb: number },
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryDivision {
  const need = neededMemory(stages, size, softShare, constants);
  const limitMb = limitBytes / MB;
  if (limitMb < need.totalMb) throw tooSmall(limitMb, need);
  const slack = limitMb - need.totalMb;
  const { controlMb, voicesMb, otherVoicesMb, controlSessionMb } = constants;
  const controlNeed = (controlMb + voicesMb + otherVoicesMb + stages * controlSessionMb) / softShare;
  const control = controlNeed + Math.min(CONTROL_SLACK_SHARE * slack, CONTROL_SLACK_MOST_MB);
  const childSlack = CHILD_SLACK_SHARE * slack;
  const media = Math.min(constants.mediaMb + childSlack, Math.max(constants.mediaMb, MEDIA_MOST_MB));
  const bake = bakeMb(size, constants) + Math.min(childSlack, bakeMb(size, constants));
  const stage = (limitMb - control - media - bake) / stages;
  const inUse = stageItems('stage', [size], 1, constants).reduce((sum, { mb }) => sum + mb, 0);
  const imageCache = Math.min(imageCacheMb, IMAGE_CACHE_SHARE * Math.max(0, stage * softShare - inUse));
  return {
    controlBytes: Math.floor(control * MB),
    stageBytes: Math.floor(stage * MB),
    mediaBytes: Math.floor(media * MB),
    bakeBytes: Math.floor(bake * MB),
    imageCacheBytes: Math.floor(imageCache * MB),
  };
}

/** Whether a stage with these sessions, a viewer each, stays under the level at which it trims. */
export function fitsStage(
  sessions: readonly PictureSize[],
  stageBytes: number,
  softShare: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): boolean {
  const mb = stageItems('stage', sessions, 1, constants).reduce((sum, item) => sum + item.mb, 0);
  return mb * MB <= stageBytes * softShare;
}

/** How many sessions of one size, a viewer each, fit under a division. */
export function sessionsThatFit(
  division: MemoryDivision,
  stages: number,
  size: PictureSize,
  softShare: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): number {
  const fixed = constants.stageMb + constants.stageWorkMb + avatarMb(size, constants);
  const room = (division.stageBytes * softShare) / MB - fixed;
  const inStages = stages * Math.max(0, Math.floor(room / (sessionMb(size, constants) + constants.viewerMb) + 1e-9));
  const { controlMb, voicesMb, otherVoicesMb } = constants;
  const controlRoom = (division.controlBytes * softShare) / MB - controlMb - voicesMb - otherVoicesMb;
  const inControl =
    constants.controlSessionMb > 0 ? Math.floor(controlRoom / constants.controlSessionMb + 1e-9) : inStages;
  return Math.max(0, Math.min(inStages, inControl));
}

/**
 * The contract of a configuration under a limit. `mostStages` counts when the number of stages is left to the server: it
 * takes as many as the limit bears. Throws `config_invalid` when the limit is too small.
 */
export function memoryContract(
  config: Pick<Config, 'session' | 'memory' | 'stages'>,
  limitBytes: number,
  mostStages: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryContract {
  const size = config.session;
  const { softShare, imageCacheMb } = config.memory;
  const stages = config.stages.count || stagesThatFit(limitBytes, size, softShare, mostStages, constants);
  const division = divideMemory(limitBytes, { stages, size, softShare, imageCacheMb }, constants);
  const need = neededMemory(stages, size, softShare, constants);
  const now = expectedMemory({ stages, sessions: [size], viewersPerSession: 1 }, constants);
  return {
    limitMb: limitBytes / MB,
    needMb: need.totalMb,
    expectedMb: now.totalMb,
    furtherSessionMb: sessionMb(size, constants) + constants.viewerMb + constants.controlSessionMb,
    furtherViewerMb: constants.viewerMb,
    sessionsThatFit: sessionsThatFit(division, stages, size, softShare, constants),
    stages,
    items: now.items,
    needItems: need.items,
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
  };
}

function tooSmall(limitMb: number, need: ExpectedMemory): DhError {
  const account = need.items.map(
    ({ process, what, mb }) => `${process === 'all' ? '' : `${process} `}${what} ${round(mb)}`,
  );
  return new DhError(
    'config_invalid',
    `memory.maxMemoryMb: ${Math.floor(limitMb)} MB are too little, the server needs ${Math.ceil(need.totalMb)} MB: ` +
      `${account.join(', ')} MB.`,
    {
      hint:
        'Raise memory.maxMemoryMb, or the memory limit of the container when that is what counts; or take a smaller ' +
        'picture (--preset low) or fewer stages (stages.count).',
    },
  );
}

function round(mb: number): string {
  return mb < 10 ? mb.toFixed(1) : String(Math.round(mb));
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
