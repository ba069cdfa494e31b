import { availableParallelism } from 'node:os';
import { bakeMb, type PictureSize } from '../../guard/memory-account.js';
import { MEMORY_CONSTANTS, type MemoryConstants } from '../../guard/memory-constants.js';
import type { Appetite } from '../../guard/memory-division.js';
import { parseSize } from '../../render/picture-settings.js';

/** What of a render decides how much memory it takes. */
export interface RenderDemand {
  size: PictureSize;
  /** A face is drawn in every picture; otherwise a still picture is shown. */
  avatar: boolean;
  webm: boolean;
}

/** As `dh-live render` has it when no size is asked for. */
const DEFAULT_SIZE = { width: 1280, height: 720 };
/** `dh-live render` makes at most so many parts at a time unless it is told otherwise. */
const MOST_JOBS = 4;

/** What the flags of `dh-live render` ask for. */
export function renderDemand(flags: readonly string[]): RenderDemand {
  const value = (name: string): string | undefined =>
    flags.find((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3);
  return {
    size: parseSize(value('size') ?? '') ?? DEFAULT_SIZE,
    avatar: value('avatar') !== undefined,
    webm: value('format') === 'webm',
  };
}

/** Memory of a render with all its processes, when it makes so many parts at a time, in MB. */
export function renderMb(demand: RenderDemand, jobs: number, constants: MemoryConstants = MEMORY_CONSTANTS): number {
  const { size, avatar, webm } = demand;
  const megapixels = (size.width * size.height) / 1e6;
  const encoderMb = megapixels * (webm ? constants.renderWebmMbPerMegapixel : constants.renderMbPerMegapixel);
  const { renderMb: base, renderPartMb, mediaMb } = constants;
  const preparing = mediaMb + (avatar ? bakeMb(size, constants) : 0);
  const oneByOne = (avatar ? constants.renderAvatarMb : 0) + encoderMb;
  const making = avatar && jobs > 1 ? jobs * (renderPartMb + encoderMb) : oneByOne;
  return base + Math.max(preparing, making);
}

/** What a render takes with one part at a time, and with as many as it likes on so many cores. */
export function renderAppetite(demand: RenderDemand, cores = availableParallelism()): Appetite {
  return { leastMb: renderMb(demand, 1), comfortableMb: renderMb(demand, Math.min(MOST_JOBS, cores)) };
}

/** How many parts a render can make at a time with so much memory, at least one. */
export function jobsWith(bytes: number, demand: RenderDemand, cores = availableParallelism()): number {
  let jobs = Math.min(MOST_JOBS, cores);
  while (jobs > 1 && renderMb(demand, jobs) * 1e6 > bytes) jobs -= 1;
  return jobs;
}
