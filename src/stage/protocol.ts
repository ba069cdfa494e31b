import type { IdleQuality, SessionProfile } from '../config/schema.js';
import type { GuardEvent, GuardState } from '../guard/guard-state.js';
import type { TrimLevel, TrimReport } from '../guard/memory-registry.js';
import type { CheckedOffer } from '../stream/sdp-offer.js';
import type { ViewerStats } from '../stream/viewer.js';
import type { SpeechSlice } from '../units.js';
import type { StageOptions } from './options.js';

/** Everything that a stage must know to run a session. */
export interface SessionSpec {
  id: string;
  /** Baked avatar on disk, made for the profile's size. */
  bakedPath: string;
  profile: SessionProfile;
  maxViewers: number;
}

/** How the sound of an utterance arrives: it waits for room, or the oldest is dropped. */
export type Overflow = 'wait' | 'drop-oldest';

export interface UtteranceSpec {
  id: string;
  overflow: Overflow;
  /** Where it goes on after a stage was replaced: position of the first sample, at 48 kHz. */
  startSample: number;
  /** Samples that were played before: of a live source fewer than its position when some were lost. */
  playedSamples: number;
}

export interface Interrupted {
  utteranceId: string | null;
  playedMs: number;
}

/** What control calls in a stage. */
export interface StageApi {
  openSession(spec: SessionSpec): Promise<void>;
  closeSession(id: string): Promise<void>;
  beginUtterance(sessionId: string, spec: UtteranceSpec): Promise<void>;
  /**
   * Takes at most half a second of sound, of any rate. Resolves when it is in the stage's buffer: waiting here is the
   * back-pressure. A slice that was taken in before is ignored.
   */
  pushSound(sessionId: string, utteranceId: string, slice: SpeechSlice): Promise<void>;
  endUtterance(sessionId: string, utteranceId: string): Promise<void>;
  interrupt(sessionId: string): Promise<Interrupted>;
  addViewer(sessionId: string, viewerId: string, offer: CheckedOffer): Promise<string>;
  hasViewer(sessionId: string, viewerId: string): Promise<boolean>;
  removeViewer(sessionId: string, viewerId: string): Promise<boolean>;
  /**
   * Changes a running session without a missing frame. Queue length, bit rates and idle quality cost nothing; another
   * size or x264 preset makes a new encoder and costs one IDR (`idr` true). `bakedPath` is given when the size or the
   * avatar changed.
   */
  updateSession(
    id: string,
    profile: SessionProfile,
    bakedPath: string | null,
    maxViewers: number,
  ): Promise<{ idr: boolean }>;
  /** Sets limits and intervals of the memory watchdog at run time. */
  updateMemory(memory: StageOptions['memory']): Promise<void>;
  /** Keeps idle pictures at or below a quality, whatever the profiles say; `full` ends that. */
  capIdleQuality(quality: IdleQuality): Promise<void>;
  /** Empties caches now, and collects garbage. */
  trim(level: TrimLevel): Promise<TrimReport>;
  /** Closes everything and says what was still open; the process then ends by itself. */
  shutdown(): Promise<ShutdownReport>;
}

/** What a stage tells control; nobody answers. */
export interface StageEvents {
  ready(): void;
  /** It cannot start and ends; `reason` is a sentence. */
  failed(reason: string): void;
  heartbeat(beat: Heartbeat): void;
  /** `frame` is the number of the picture that shows its first sound. */
  utteranceStarted(sessionId: string, utteranceId: string, frame: number): void;
  /** After every frame with sound of an utterance: what was played is not sent again to a stage that takes over. */
  utterancePlayed(sessionId: string, utteranceId: string, playedSamples: number): void;
  utteranceEnded(sessionId: string, utteranceId: string, playedMs: number): void;
  viewersChanged(sessionId: string, count: number): void;
  warning(sessionId: string, code: string, message: string): void;
  /** The stage ended a session by itself, for good: it is not to be opened again. */
  sessionEnded(sessionId: string, code: string, message: string): void;
  /** The ladder took or released a step. */
  guard(event: GuardEvent): void;
  /** It stays over its memory limit: it wants to be replaced. */
  overMemory(rssBytes: number): void;
}

export interface Timing {
  mean: number;
  p50: number;
  p99: number;
  max: number;
}

/** A session as its stage sees it. */
export interface StageSessionStats {
  id: string;
  state: 'idle' | 'speaking';
  /** The utterance that plays, and how much of it was played. */
  utterance: { id: string; playedSamples: number } | null;
  queue: { length: number; capacity: number; drops: number };
  pool: { size: number; outstanding: number; misses: number };
  frames: number;
  /** When frame 0 was due, in ms since 1970; frame n was due n × 40 ms later. */
  originWallMs: number;
  skippedFrames: number;
  /**
   * Pictures a second that were drawn and sent, over the last ten seconds or since the first viewer came; 0 while nobody
   * watches.
   */
  fps: number;
  /** How many were due in the same time: fewer than 25 while idle pictures are saved, 0 while nobody watches. */
  targetFps: number;
  processingMs: Timing;
  viewers: ViewerStats[];
}

export interface Heartbeat {
  memory: { rssBytes: number; heapUsedBytes: number; externalBytes: number };
  sessions: StageSessionStats[];
  guard: GuardState;
  /** Delay of the stage's event loop since the heartbeat before, in ms. */
  eventLoopDelayMs: { p50: number; p99: number; max: number };
}

export interface ShutdownReport {
  sessions: number;
  viewers: number;
  /** Frames and chunks that sessions had not given back when they closed: 0 unless there is a defect. */
  framesOutstanding: number;
  chunksOutstanding: number;
}
