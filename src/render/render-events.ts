/** What a render is busy with. */
export type RenderPhase = 'check' | 'prepare' | 'write' | 'full';

/** What a render tells while it runs; with `--json` one object a line, and `done` or `error` last. */
export type RenderEvent =
  | {
      event: 'plan';
      clips: number;
      bad: number;
      /** Length as the files claim it, in seconds. */
      aboutS: number;
      neededBytes: number;
      freeBytes: number;
    }
  | {
      event: 'total';
      totalS: number;
      parts: number;
      /** Parts that an earlier run has finished. */
      partsDone: number;
    }
  | ({ event: 'progress' } & RenderProgress)
  | { event: 'part'; number: number; parts: number; file: string; durationS: number; bytes: number }
  | { event: 'note'; message: string };

/** How far a render is. */
export interface RenderProgress {
  phase: RenderPhase;
  clipsDone: number;
  clips: number;
  partsDone: number;
  parts: number;
  /** 0…1, by the work that each phase costs. */
  share: number;
  /** Seconds until the end; null while that cannot be told. */
  leftS: number | null;
  /** Seconds of video that are written in a second; 0 before that begins. */
  speed: number;
  /** Memory of all processes. */
  rssBytes: number;
}

/** What a render has made. */
export interface RenderResult {
  project: string;
  output: string;
  totalS: number;
  tookS: number;
  parts: { file: string; durationS: number; bytes: number }[];
  full: string | null;
  index: string;
  clips: number;
  bad: { name: string; reason: string }[];
  /** Clips that are in it as far as their sound could be decoded, and what is wrong with that. */
  damaged: { name: string; reason: string }[];
  /** Most memory of all processes that was seen. */
  peakRssBytes: number;
}
