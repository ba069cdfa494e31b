import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { LiveConfig } from '../../config/live-config.js';
import type { Config } from '../../config/schema.js';
import type { Optimizer } from '../../guard/optimizer.js';
import type { Clock, SpeechPiece } from '../../units.js';
import type { MediaPorts } from '../media-ports.js';
import type { ServerMetrics } from '../metrics/server-metrics.js';
import type { ServerEvents } from '../server-events.js';
import type { ServerMemory } from '../server-memory.js';
import type { ReceivedSound } from '../helpers.js';
import type { Renders } from '../renders/renders.js';
import type { SessionRegistry } from '../session-registry.js';
import type { ServerMonitor } from '../server-monitor.js';
import type { ServerStats } from '../server-stats.js';

/** A text that a voice can speak. */
export interface SpeakRequest {
  text: string;
  voice?: string | undefined;
  language?: string | undefined;
}

/** What the routes need; they reach the rest of the server only through this. */
export interface ServerContext {
  /** The settings in force: read it when a value is used, it is another object after a change. */
  readonly config: Config;
  live: LiveConfig;
  log: Logger;
  clock: Clock;
  events: ServerEvents;
  sessions: SessionRegistry;
  renders: Promise<Renders>;
  stats: ServerStats;
  media: MediaPorts;
  memory: ServerMemory;
  monitor: ServerMonitor;
  optimizer: Optimizer;
  metrics: ServerMetrics;
  voices(): unknown[];
  avatars(): Promise<{ name: string; title: string }[]>;
  /** Checks a text (throws `text_empty`, `voice_not_found`, `memory_pressure` …) and returns what produces the sound. */
  speak(request: SpeakRequest): Promise<(signal: AbortSignal) => AsyncIterable<SpeechPiece>>;
  /** Takes in a file; throws `body_too_large`. */
  receive(body: Readable): Promise<ReceivedSound>;
  /** Asks the server to stop, as Ctrl+C does. */
  requestShutdown(reason: string): void;
  shuttingDown(): boolean;
}
