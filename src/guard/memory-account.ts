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
  /** Voices of espeak-ng speak beside the English ones. Default false. */
  otherVoices?: boolean;
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
export function bakeMb(size: PictureSize, constants: MemoryConstants = MEMORY_CONSTANTS): number {
  return constants.bakeMb + constants.bakeMbPerMegapixel * megapixels(size);
}

/** The account of the control process. */
export function controlItems(
  sessions: number,
  otherVoices: boolean,
  constants: MemoryConstants = MEMORY_CONSTANTS,
): MemoryItem[] {
  const item = (what: string, mb: number): MemoryItem => ({ process: 'control', what, mb });
  return [
    item('base', constants.controlMb),
    item('embedded voices', constants.voicesMb),
    ...(otherVoices ? [item('voices of other languages', constants.otherVoicesMb)] : []),
    item('sessions', sessions * constants.controlSessionMb),
  ];
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

/** What a server that does this takes, item by item. The processes that come and go are not in it: they borrow. */
export function expectedMemory(demand: MemoryDemand, constants: MemoryConstants = MEMORY_CONSTANTS): ExpectedMemory {
  const items = controlItems(demand.sessions.length, demand.otherVoices ?? false, constants);
  for (let index = 0; index < demand.stages; index++) {
    const mine = demand.sessions.filter((_, i) => i % demand.stages === index);
    items.push(...stageItems(`stage-${index}`, mine, demand.viewersPerSession, constants));
  }
  return accountOf(items);
}

/** The items with their sums. */
export function accountOf(items: MemoryItem[]): ExpectedMemory {
  const byProcess = new Map<string, number>();
  for (const { process, mb } of items) byProcess.set(process, (byProcess.get(process) ?? 0) + mb);
  const processes = [...byProcess].map(([name, mb]) => ({ name, mb }));
  return { processes, totalMb: sumMb(items), items };
}

/** Sum of some items, in MB. */
export function sumMb(items: readonly MemoryItem[]): number {
  return items.reduce((sum, { mb }) => sum + mb, 0);
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
