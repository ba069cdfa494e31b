import type { FrameRate } from './frame-grid.js';

export const VIDEO_FORMATS = ['mp4', 'webm'] as const;
/** `mp4`: H.264 and AAC. `webm`: VP9 and Opus. */
export type VideoFormat = (typeof VIDEO_FORMATS)[number];

/** What the files of a render are like. */
export interface OutputSettings {
  width: number;
  height: number;
  rate: FrameRate;
  format: VideoFormat;
  soundKbps: number;
}
