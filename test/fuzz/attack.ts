import type { FuzzRandom } from './fuzz-random.js';

/** What one step did and what came of it. */
export interface Trial {
  /** For the replay: what was sent, as text. */
  sent: string;
  /** For the counts: a status, or what else ended it. */
  outcome: string;
  /** What must not be; null when all was well. */
  fault: string | null;
}

/** Where the attacks go. */
export interface World {
  host: string;
  port: number;
  token: string | null;
  /** Sessions that may be attacked. That of the good viewer is not among them. */
  sessions: readonly string[];
  /** UDP port of the media. */
  mediaPort: number;
  /** Ids that the server gave out: of uploads and renders. */
  ids: string[];
  /** Routes of the server as `GET /path/:id`. */
  routes: readonly string[];
  /** Longest that a call may take, in ms. */
  limitMs: number;
}

export type Attack = (random: FuzzRandom, world: World) => Promise<Trial>;

/** Ids are passed on to later steps; the newest few are enough. */
export function rememberId(world: World, id: unknown): void {
  if (typeof id !== 'string') return;
  world.ids.push(id);
  if (world.ids.length > 8) world.ids.shift();
}

/** What no answer may be: a mistake of the server. */
export function faultOf(text: string): string | null {
  return /^HTTP\/1\.1 500/m.test(text) && text.includes('"code":"internal"') ? 'internal error' : null;
}

/** Bytes for a reader: one line, cut in the middle. */
export function shown(bytes: Buffer | string, most = 4000): string {
  const text = JSON.stringify(typeof bytes === 'string' ? bytes : bytes.toString('latin1'));
  return text.length <= most
    ? text
    : `${text.slice(0, most / 2)} … ${text.length - most} more … ${text.slice(-most / 2)}`;
}
