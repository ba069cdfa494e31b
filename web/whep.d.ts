/** Types of `whep.js`. */

/** `failed`: another try would be refused too. `closed`: nothing is watched. All others go on trying. */
export type WatchState = 'connecting' | 'live' | 'reconnecting' | 'full' | 'missing' | 'failed' | 'closed';

export interface WatchStateDetail {
  state: WatchState;
  /** What happened, in words; empty when there is nothing to say. */
  message: string;
  /** What to do about it. */
  hint: string;
  /** Milliseconds until the next try; 0 when there is none, or it is under way. */
  retryInMs: number;
  /** False while only sound comes, because the browser has no codec for the picture. */
  picture: boolean;
  /** `missing`, of a session that was shown before. */
  ended: boolean;
}

export interface WatchStats {
  fps: number;
  framesDecoded: number;
  width: number | null;
  height: number | null;
  packetsLost: number;
  jitterMs: number | null;
  roundTripMs: number | null;
}

export interface WhepClientOptions {
  /** Sent as `Authorization: Bearer`. dh-live needs none for watching. */
  token?: string;
  /** Without a new picture for so long the connection is made anew; default 3000. */
  stallMs?: number;
}

interface WhepClientEventMap {
  state: CustomEvent<WatchStateDetail>;
  stream: CustomEvent<{ stream: MediaStream }>;
  stats: CustomEvent<WatchStats>;
}

/** Watches one WHEP stream and reconnects by itself until it is closed. */
export declare class WhepClient extends EventTarget {
  constructor(url: string | URL, options?: WhepClientOptions);
  readonly state: WatchState;
  readonly stream: MediaStream | null;
  start(): void;
  reconnect(): void;
  close(): void;
  addEventListener<K extends keyof WhepClientEventMap>(
    type: K,
    listener: (event: WhepClientEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
