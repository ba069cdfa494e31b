import { DhError } from '../../errors.js';
import type { Clock } from '../../units.js';
import type { Session } from '../session.js';

/** A stage forgets a viewer that has not connected after this, in ms. */
const CONNECT_TIMEOUT = 5_000;

interface Connecting {
  address: string;
  session: Pick<Session, 'stats'>;
  until: number;
}

/**
 * Viewers that have an answer and have not finished ICE. Each holds a place of its session for a while, so that one
 * address may have only a few of them: an offer costs nothing, a connection shows that there is somebody.
 */
export class ConnectingViewers {
  readonly #viewers = new Map<string, Connecting>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a viewer that is to be answered. Throws `viewer_limit` when its address has `max` unfinished ones. */
  add(viewerId: string, address: string, session: Pick<Session, 'stats'>, max: number): void {
    this.#forget();
    const own = [...this.#viewers.values()].filter((viewer) => viewer.address === address).length;
    if (own >= max) {
      throw new DhError('viewer_limit', `${own} viewers from this address are still connecting.`, {
        hint: 'Try again in a second; limits.maxConnectingPerAddress says how many there may be.',
      });
    }
    this.#viewers.set(viewerId, { address, session, until: this.#clock() + CONNECT_TIMEOUT });
  }

  /** A viewer that was refused, or has left. */
  remove(viewerId: string): void {
    this.#viewers.delete(viewerId);
  }

  #forget(): void {
    const now = this.#clock();
    for (const [id, { session, until }] of this.#viewers) {
      const seen = session.stats?.viewers.find((viewer) => viewer.id === id);
      if (now >= until || seen?.state === 'connected') this.#viewers.delete(id);
    }
  }
}
