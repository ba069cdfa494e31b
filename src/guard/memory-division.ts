import { DhError } from '../errors.js';
import { SOUND_FILE_MOST_MB } from '../media/media-protocol.js';
import {
  accountOf,
  bakeMb,
  controlItems,
  expectedMemory,
  stageItems,
  sumMb,
  type ExpectedMemory,
  type MemoryItem,
  type PictureSize,
} from './memory-account.js';
import { MEMORY_CONSTANTS, type MemoryConstants } from './memory-constants.js';

/** For whom memory is divided. */
export interface DivisionWish {
  stages: number;
  /** Picture of a session. */
  size: PictureSize;
  softShare: number;
  /** Voices of espeak-ng speak beside the English ones. Default false. */
  otherVoices?: boolean;
}

/** The limit of the whole server, divided: the parts together are never more than it. */
export interface MemoryDivision {
  controlBytes: number;
  /** Of each stage. */
  stageBytes: number;
  /** Nobody's: lent before anything else to the processes that come and go. */
  spareBytes: number;
  /** Of each stage: most decoded pictures that it keeps, part of `stageBytes`. */
  imageCacheBytes: number;
}

/** Parts of what the limit leaves over what is needed; the stages get the rest, because sessions grow there. */
const CONTROL_SLACK_SHARE = 0.1;
const CONTROL_SLACK_MOST_MB = 400;
const SPARE_SLACK_SHARE = 0.2;
/** What a child may take that has all the room it wants, as a multiple of what it needs. */
const COMFORT = 2;
const IMAGE_CACHE_SHARE = 0.25;
const MB = 1e6;

/** What a process that comes and goes needs at least, and what it is given when there is room, in MB. */
export interface Appetite {
  leastMb: number;
  comfortableMb: number;
}

/** Of the process that draws an avatar. */
export function bakeAppetite(size: PictureSize, constants: MemoryConstants = MEMORY_CONSTANTS): Appetite {
  const leastMb = bakeMb(size, constants);
  return { leastMb, comfortableMb: COMFORT * leastMb };
}

/** Of the process that decodes uploads. */
export function mediaAppetite({ mediaMb }: MemoryConstants = MEMORY_CONSTANTS): Appetite {
  return { leastMb: mediaMb, comfortableMb: Math.max(mediaMb, SOUND_FILE_MOST_MB) };
}

/**
 * What a limit must be at least, in two moments of which the greater counts: while the server runs, with one watched
 * session in each stage, in processes that stay under the level at which they begin to trim; and at its start, when the
 * first avatar is drawn with what control and stages do not use yet.
 */
export function neededMemory(
  { stages, size, softShare, otherVoices = false }: DivisionWish,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): ExpectedMemory {
  const sessions = Array.from({ length: stages }, () => size);
  const { items, totalMb } = expectedMemory({ stages, sessions, viewersPerSession: 1, otherVoices }, constants);
  const room = totalMb / softShare - totalMb;
  const all: MemoryItem[] = [
    ...items,
    { process: 'all', what: `room up to the soft level (${Math.round(softShare * 100)} %)`, mb: room },
  ];
  const { controlMb, controlSessionMb, stageStartMb } = constants;
  const startMb = (controlMb + stages * (controlSessionMb + stageStartMb)) / softShare + bakeMb(size, constants);
  const more = startMb - sumMb(all);
  if (more > 0)
    all.push({ process: 'bake', what: 'drawing of the first avatar, beyond what the others lend', mb: more });
  return accountOf(all);
}

/** The most stages, from `most` down to 1, whose need fits into the limit; 1 when not even that fits. */
export function stagesThatFit(
  limitBytes: number,
  wish: Omit<DivisionWish, 'stages'>,
  most: number,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): number {
  let stages = Math.max(1, most);
  while (stages > 1 && neededMemory({ ...wish, stages }, constants).totalMb * MB > limitBytes) stages -= 1;
  return stages;
}

/**
 * Divides the limit of the whole server. Control and every stage get what they need and a part of what is left; a part
 * of that is nobody's. `smallest` is the smallest picture that can be recommended. Throws `config_invalid`, with the
 * account of what is needed, when the limit is too small.
 */
export function divideMemory(
  limitBytes: number,
  wish: DivisionWish & { imageCacheMb: number; smallest?: PictureSize },
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryDivision {
  const { stages, size, softShare, otherVoices = false, imageCacheMb } = wish;
  const need = neededMemory(wish, constants);
  const limitMb = limitBytes / MB;
  if (limitMb < need.totalMb) throw tooSmall(limitMb, need, wish, constants);
  const slack = limitMb - need.totalMb;
  const controlNeed = sumMb(controlItems(stages, otherVoices, constants)) / softShare;
  const control = controlNeed + Math.min(CONTROL_SLACK_SHARE * slack, CONTROL_SLACK_MOST_MB);
  const media = mediaAppetite(constants);
  // A file should be decoded however many sessions there are.
  const first = Math.min((1 - CONTROL_SLACK_SHARE) * slack, media.leastMb);
  const wanted = media.comfortableMb + bakeAppetite(size, constants).comfortableMb;
  const spare = Math.min(Math.max(SPARE_SLACK_SHARE * slack, first), wanted);
  const stage = (limitMb - control - spare) / stages;
  const inUse = sumMb(stageItems('stage', [size], 1, constants));
  const imageCache = Math.min(imageCacheMb, IMAGE_CACHE_SHARE * Math.max(0, stage * softShare - inUse));
  return {
    controlBytes: Math.floor(control * MB),
    stageBytes: Math.floor(stage * MB),
    spareBytes: Math.floor(spare * MB),
    imageCacheBytes: Math.floor(imageCache * MB),
  };
}

function tooSmall(
  limitMb: number,
  need: ExpectedMemory,
  { smallest, ...wish }: DivisionWish & { smallest?: PictureSize },
  constants: MemoryConstants,
): DhError {
  const account = need.items.map(
    ({ process, what, mb }) => `${process === 'all' ? '' : `${process} `}${what} ${round(mb)}`,
  );
  const smaller: string[] = [];
  const needOf = (other: Partial<DivisionWish>): number =>
    Math.ceil(neededMemory({ ...wish, ...other }, constants).totalMb);
  const needMb = needOf({});
  if (smallest && needOf({ size: smallest }) < needMb) {
    smaller.push(`a smaller picture (--preset low needs ${needOf({ size: smallest })} MB)`);
  }
  if (wish.stages > 1) smaller.push(`fewer stages (stages.count: one needs ${needOf({ stages: 1 })} MB)`);
  return new DhError(
    'config_invalid',
    `memory.maxMemoryMb: ${Math.floor(limitMb)} MB are too little, the server needs ${needMb} MB: ` +
      `${account.join(', ')} MB.`,
    {
      hint:
        `Raise memory.maxMemoryMb to ${needMb} or more, and the memory limit of the container when it is smaller` +
        `${smaller.length === 0 ? '' : `; or take ${smaller.join(' or ')}`}.`,
    },
  );
}

function round(mb: number): string {
  return mb < 10 ? mb.toFixed(1) : String(Math.round(mb));
}
