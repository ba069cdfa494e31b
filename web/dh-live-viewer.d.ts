/** Types of `<dh-live-viewer>`, see docs/embedding.md. */
import type { WatchState, WatchStateDetail, WatchStats, WhepClient } from './whep.js';

export type { WatchState, WatchStateDetail, WatchStats } from './whep.js';

/** Attributes of the element in HTML, for templates. */
export interface DhLiveViewerAttributes {
  /** WHEP address of the session, e.g. `https://your-server/whep/main`. */
  src?: string;
  token?: string;
  fit?: 'auto' | 'cover' | 'contain';
  poster?: string;
  label?: string;
  controls?: 'none';
  hotkeys?: boolean | '';
}

export interface DhLiveViewerEventMap {
  'dh-state': CustomEvent<WatchStateDetail>;
  'dh-stream': CustomEvent<{ stream: MediaStream }>;
  'dh-stats': CustomEvent<WatchStats>;
  'dh-sound': CustomEvent<{ muted: boolean; volume: number }>;
}

export declare class DhLiveViewer extends HTMLElement {
  readonly state: WatchState;
  readonly stream: MediaStream | null;
  readonly video: HTMLVideoElement;
  readonly client: WhepClient | null;
  muted: boolean;
  /** 0…1 */
  volume: number;
  /** Unmutes; call it from a click or a key. Resolves to whether there is sound now. */
  turnSoundOn(): Promise<boolean>;
  toggleSound(): void;
  togglePause(): void;
  toggleFullscreen(): Promise<void>;
  /** Tries again at once, also after `failed`. */
  reconnect(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'dh-live-viewer': DhLiveViewer;
  }
  // The events bubble: they arrive at the element and at everything around it.
  interface GlobalEventHandlersEventMap extends DhLiveViewerEventMap {}
}
