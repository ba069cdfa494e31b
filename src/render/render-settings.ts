import type { MediaClient } from '../media/media-client.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { Clock } from '../units.js';
import type { ListedClip } from './clip-list.js';
import type { ClipPreparer } from './clip-preparer.js';
import type { FreeSpace } from './disk-space.js';
import type { OutputSettings } from './output.js';
import type { SplitRule } from './plan.js';
import type { RenderEvent } from './render-events.js';

/** What is rendered, and how. */
export interface RenderSettings {
  clips: ListedClip[];
  /** Folder of the finished files. */
  outputFolder: string;
  /** Folder of the temporary ones; each project has its own inside. */
  tempFolder: string;
  project: string;
  /** Picture of clips that have none of their own; null: black. Not used with an avatar. */
  image: string | null;
  /** Who speaks; null: still pictures. */
  avatar: string | null;
  split: SplitRule | null;
  output: OutputSettings;
  subtitles: { srt: boolean; burn: boolean };
  /** Font of burnt-in text; null: the usual one. */
  font: string | null;
  gapMs: number;
  /** Clips that are prepared, and parts with an avatar that are made, at a time. */
  jobs: number;
  /** Also one file of the whole. */
  full: boolean;
  fresh: boolean;
  skipBad: boolean;
  keepTemp: boolean;
  dryRun: boolean;
  /** Wait for another process that works on the project or its folder. */
  wait: boolean;
}

/** The outside world. */
export interface RenderTools {
  media: () => MediaClient;
  speech: () => SpeechService;
  preparer: ClipPreparer;
  /** Draws an avatar for a size; returns the file's path. */
  bake: (avatar: string, size: { width: number; height: number }) => Promise<string>;
  clock: Clock;
  signal: AbortSignal;
  onEvent: (event: RenderEvent) => void;
  free?: (folder: string) => Promise<FreeSpace>;
}
