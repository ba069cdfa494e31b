/** What the parts of the server take, in MB (10⁶ bytes) of resident memory. */
export interface MemoryConstants {
  /** The control process when it serves, without voices. */
  controlMb: number;
  /** Both embedded voice engines in their worker thread, after they have spoken. */
  voicesMb: number;
  /** What one more session takes in control. */
  controlSessionMb: number;
  /** A stage process without a session. */
  stageMb: number;
  /** Code and tables of FFmpeg, x264 and libdatachannel that the first watched session of a stage brings in. */
  stageWorkMb: number;
  /** A session, apart from what grows with its picture. */
  sessionMb: number;
  /** Engine, frame pool and encoder by size of the picture, while watched and speaking. */
  sessionMbPerMegapixel: number;
  /** A drawn avatar: its blob is shared by the sessions of a stage. */
  avatarMb: number;
  avatarMbPerMegapixel: number;
  viewerMb: number;
  /** The process that decodes uploads, at work. */
  mediaMb: number;
  /** The process that draws avatars, at work. */
  bakeMb: number;
  bakeMbPerMegapixel: number;
}

/**
 * The table from which memory is foretold. All figures are measured by `npm run bench:contract` (Linux x64, glibc with
 * `MALLOC_ENV`, Node 20): control and stages once their first sentence has been spoken to a viewer, the rest as the
 * growth from one more session, viewer or megapixel. The avatar's two are its file's size.
 */
export const MEMORY_CONSTANTS: MemoryConstants = {
  controlMb: 95,
  voicesMb: 85,
  controlSessionMb: 0.3,
  stageMb: 92,
  stageWorkMb: 9,
  sessionMb: 4,
  sessionMbPerMegapixel: 11,
  avatarMb: 0.25,
  avatarMbPerMegapixel: 7,
  viewerMb: 0.3,
  mediaMb: 110,
  bakeMb: 165,
  bakeMbPerMegapixel: 24,
};
