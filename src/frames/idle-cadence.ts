import { IDLE_QUALITIES, type IdleQuality } from '../config/schema.js';
import { FRAME_RATE } from '../units.js';

/** Every which picture is drawn, and which share of the bit rate it gets. */
const COSTS: Record<IdleQuality, { every: number; bitrateShare: number }> = {
  full: { every: 1, bitrateShare: 1 },
  half: { every: 2, bitrateShare: 1 / 2 },
  low: { every: 5, bitrateShare: 1 / 4 },
};

/** After the last sound everything is drawn for this long: the mouth closes, the face comes to rest. */
const TAIL_FRAMES = FRAME_RATE / 2;

/**
 * Which pictures are due: all of them while the avatar is busy and for half a second after, fewer while it idles. The
 * first picture of a busy time is always due, so nothing waits and nothing jumps: only drawing pauses, the face lives on.
 */
export class IdleCadence {
  #wanted: IdleQuality;
  #cap: IdleQuality = 'full';
  #lastBusy = Number.NEGATIVE_INFINITY;
  #lastDue = Number.NEGATIVE_INFINITY;
  #idle = false;

  constructor(quality: IdleQuality) {
    this.#wanted = quality;
  }

  /** What the profile asks for. */
  set wanted(quality: IdleQuality) {
    this.#wanted = quality;
  }

  /** Nothing better than this, whatever the profile asks for. */
  set cap(quality: IdleQuality) {
    this.#cap = quality;
  }

  /** What idle pictures get: the cheaper of both. */
  get quality(): IdleQuality {
    return IDLE_QUALITIES.indexOf(this.#cap) > IDLE_QUALITIES.indexOf(this.#wanted) ? this.#cap : this.#wanted;
  }

  /** Share of the bit rate that the next picture gets: 1 while busy. */
  get bitrateShare(): number {
    return this.#idle ? COSTS[this.quality].bitrateShare : 1;
  }

  /** Whether picture `n` is due. Called for every n, in order. `busy`: somebody speaks, or is about to. */
  due(n: number, busy: boolean): boolean {
    if (busy) this.#lastBusy = n;
    this.#idle = n - this.#lastBusy > TAIL_FRAMES;
    if (this.#idle && n - this.#lastDue < COSTS[this.quality].every) return false;
    this.#lastDue = n;
    return true;
  }
}
