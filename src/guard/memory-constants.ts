/** What the parts of the server take, in MB (10⁶ bytes) of resident memory. */
export interface MemoryConstants {
  /** The control process when it serves, without voices. */
  controlMb: number;
  /** The worker thread with the English voice, after it has spoken. */
  voicesMb: number;
  /** What the voices of other languages add once one of them has spoken; they stay. */
  otherVoicesMb: number;
  /** What one more session takes in control. */
  controlSessionMb: number;
  /** A stage process without a session. */
  stageMb: number;
  /** The same when it has just started and its garbage was not collected yet. */
  stageStartMb: number;
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
  /** The process that measures what a picture costs, at work. */
  measureMb: number;
  /** The program that renders, without drawing and decoding. */
  renderMb: number;
  /** What an avatar's part takes in it, or in a process of its own. */
  renderAvatarMb: number;
  renderPartMb: number;
  /** Encoder of one part, by format. */
  renderMbPerMegapixel: number;
  renderWebmMbPerMegapixel: number;
}

/**
 * The table from which memory is foretold (Linux x64, glibc, Node 20, started as `npm start` does). Control, stages and
 * sessions: from one session of 1280 × 720 and from ten and twelve of 512 × 512, each with a viewer, after they have
 * spoken (`npm run bench:memory`). Media, bake, measure and render (with all its processes): the largest RSS at
 * work. The avatar's two are its file's size. `npm run bench:contract` compares the table with what is measured.
 */
export const MEMORY_CONSTANTS: MemoryConstants = {
  controlMb: 109,
  voicesMb: 42,
  otherVoicesMb: 55,
  controlSessionMb: 0.3,
  stageMb: 88,
  stageStartMb: 102,
  stageWorkMb: 11,
  sessionMb: 3.4,
  sessionMbPerMegapixel: 27,
  avatarMb: 0.25,
  avatarMbPerMegapixel: 7,
  viewerMb: 0.3,
  mediaMb: 85,
  bakeMb: 118,
  bakeMbPerMegapixel: 30,
  measureMb: 145,
  renderMb: 195,
  renderAvatarMb: 36,
  renderPartMb: 130,
  renderMbPerMegapixel: 16,
  renderWebmMbPerMegapixel: 80,
};
