/**
 * What flows between the steps of the pipeline, and its time base.
 *
 * Sound inside is 48 kHz mono signed 16-bit, cut into chunks of 40 ms. One chunk is one video frame is two Opus
 * packets; time is a sample count, and frame n shows samples [1920 n, 1920 (n + 1)).
 */

/** Samples per second of all sound behind the door. */
export const SAMPLE_RATE = 48_000;
/** Pictures per second. */
export const FRAME_RATE = 25;
/** Length of a chunk and of a picture, in milliseconds. */
export const FRAME_MS = 1000 / FRAME_RATE;
/** Samples in one chunk: exactly one picture. */
export const CHUNK_SAMPLES = SAMPLE_RATE / FRAME_RATE;
/** Samples in one 20 ms Opus packet: two a chunk. */
export const OPUS_SAMPLES = CHUNK_SAMPLES / 2;
/** RTP clock of H.264 (RFC 6184, section 8.2.1). */
export const VIDEO_CLOCK_RATE = 90_000;

/** 40 ms of sound. Pooled: whoever takes it out of the queue gives it back with `AudioQueue.release`. */
export interface AudioChunk {
  /** Exactly `CHUNK_SAMPLES` samples; the tail of an utterance's last chunk is silence. */
  readonly samples: Int16Array;
  /** The utterance that it belongs to; `FADE` for what an interrupted one leaves behind. */
  utteranceId: string;
  /** Position of the first sample in its utterance, in samples at 48 kHz. */
  startSample: number;
  /** How many of the samples are the utterance's own (less than `CHUNK_SAMPLES` only in the last chunk). */
  lengthSamples: number;
}

/** The 15 mouth shapes of the usual viseme set (as in MPEG-4 and Oculus lip-sync). */
export const VISEMES = [
  'sil', 'PP', 'FF', 'TH', 'DD', 'kk', 'CH', 'SS', 'nn', 'RR', 'aa', 'E', 'ih', 'oh', 'ou',
] as const; // prettier-ignore
export type Viseme = (typeof VISEMES)[number];

/** One mouth shape and when it is heard, in milliseconds from the first sample of its utterance. */
export interface VisemeCue {
  viseme: Viseme;
  startMs: number;
  endMs: number;
}

/** A stretch of speech as a voice makes it, before the door. Ownership passes to the receiver. */
export interface SpeechPiece {
  /** Mono, signed 16-bit. */
  pcm: Int16Array;
  sampleRateHz: number;
  /** Mouth shapes that begin in this piece, ordered, times from the start of the utterance; null: not known. */
  cues: VisemeCue[] | null;
}

/** A part of an utterance on its way to a stage: at most half a second, and where it belongs. */
export interface SpeechSlice extends SpeechPiece {
  /** Position in the utterance, in samples at 48 kHz: of its first sample, and behind its last. */
  startSample: number;
  endSample: number;
}

/** The mouth as the avatar draws it. All 0…1, but `width`, −1 (narrow) … 1 (spread). */
export interface MouthPose {
  open: number;
  width: number;
  round: number;
  teeth: number;
  tongue: number;
  /** Lips pressed together: p, b, m. */
  press: number;
  /** Lower lip under the upper teeth: f, v. */
  tuck: number;
}

/** Everything of the face that moves. One object is reused for all frames of a session. */
export interface FacePose {
  mouth: MouthPose;
  /** Gaze −1…1 (x to the viewer's right, y down); `close` 0 open … 1 shut. */
  eyes: { x: number; y: number; close: number };
  brows: { raise: number; frown: number };
  /** Shift in units of the head's width (0.01 = 1 %), turn in degrees clockwise. */
  head: { x: number; y: number; turn: number };
  /** 0 breathed out … 1 breathed in. */
  breath: number;
}

export function neutralMouth(): MouthPose {
  return { open: 0, width: 0, round: 0, teeth: 0.5, tongue: 0, press: 0, tuck: 0 };
}

export function neutralFace(): FacePose {
  return {
    mouth: neutralMouth(),
    eyes: { x: 0, y: 0, close: 0 },
    brows: { raise: 0, frown: 0 },
    head: { x: 0, y: 0, turn: 0 },
    breath: 0,
  };
}

/**
 * A picture: planar YCbCr 4:2:0, 8-bit, BT.709 limited range. Width and height are even. Rows may be padded:
 * row r of luma starts at `r * strideY`. The planes usually are views onto memory that somebody else owns.
 */
export interface I420Frame {
  readonly width: number;
  readonly height: number;
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
  readonly strideY: number;
  readonly strideUV: number;
}

/** One encoded picture: all NAL units of one time, Annex B byte stream. */
export interface AccessUnit {
  data: Uint8Array;
  keyFrame: boolean;
  /** Frame number = PTS in units of 40 ms. */
  frame: number;
}

/** One encoded Opus packet of 20 ms. */
export interface OpusPacket {
  data: Uint8Array;
  /** PTS in samples at 48 kHz. */
  sample: number;
}

/** Milliseconds on a clock that never jumps; passed in so that tests need no sleep. */
export type Clock = () => number;

/** What has a life: `close` frees everything, twice is harmless. */
export interface Closable {
  close(): void | Promise<void>;
}

/** Memory that a process which comes and goes has borrowed from those that stay; `close` gives it back. */
export interface MemoryLoan extends Closable {
  /** Most that it may take. */
  readonly bytes: number;
  /** Aborts, with a `DhError` as its reason, when the process must end and the loan be given back at once. */
  readonly recalled: AbortSignal;
  close(): void;
}
