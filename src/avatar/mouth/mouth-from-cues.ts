import type { MouthPose, Viseme, VisemeCue } from '../../units.js';
import { VISEME_POSES } from '../visemes.js';

/** How far the jaw, the lips' shape, and teeth, tongue and lower lip see before and after the moment, in ms. */
const JAW = { before: 60, after: 80 };
const SHAPE = { before: 70, after: 100 };
const TIP = { before: 40, after: 45 };
/** The furthest of these: cues that ended longer ago are dropped. */
const REACH_MS = 100;
/** Lips part and meet within this, in ms. */
const LIPS_MS = 45;
/** A gap or a `sil` shorter than this does not close the mouth. */
const SHORT_GAP_MS = 60;
/** How long the last mouth before an unknown future is assumed to rest. */
const HALF_FRAME_MS = 20;

/** How much a shape insists on itself against its neighbours: velars and r give way, vowels and hisses do not. */
const DOMINANCE: Record<Viseme, number> = {
  sil: 0.9, PP: 0.9, FF: 1, TH: 0.8, DD: 0.8, kk: 0.7, CH: 1, SS: 1, nn: 0.8, RR: 0.8,
  aa: 1, E: 1, ih: 1, oh: 1, ou: 1,
}; // prettier-ignore
const SHORT_GAP_DOMINANCE = 0.05;

/** The cues of one utterance, and the mouth that they make at any moment: neighbours blend as in natural speech. */
export class CueTrack {
  /** Cues are the sender's own objects, read only. Those before `#head` are played. */
  readonly #cues: VisemeCue[] = [];
  #head = 0;

  /** Appends; a cue that is not in order, or not a time, is left out. */
  add(cues: readonly VisemeCue[]): void {
    for (const cue of cues) {
      const previous = this.#cues.at(-1);
      if (!(cue.endMs > cue.startMs) || !Number.isFinite(cue.startMs) || !Number.isFinite(cue.endMs)) continue;
      if (!(cue.viseme in DOMINANCE) || (previous !== undefined && cue.startMs < previous.startMs)) continue;
      this.#cues.push(cue);
    }
  }

  /** Cues that are kept. */
  get size(): number {
    return this.#cues.length - this.#head;
  }

  /** Forgets what cannot be seen at `timeMs` or later. */
  drop(timeMs: number): void {
    const cues = this.#cues;
    while (this.#head < cues.length && cues[this.#head]!.endMs < timeMs - REACH_MS - SHORT_GAP_MS) this.#head += 1;
    if (this.#head < 64) return;
    cues.copyWithin(0, this.#head);
    cues.length -= this.#head;
    this.#head = 0;
  }

  /** Writes the mouth at `timeMs` of the utterance, the middle of a frame. */
  pose(timeMs: number, out: MouthPose): void {
    clear(out);
    let jaw = 0;
    let shape = 0;
    let tip = 0;
    let lips = 1;
    let shut = false;
    let coveredMs = Number.NEGATIVE_INFINITY;
    const cues = this.#cues;
    for (let i = this.#head; i <= cues.length; i++) {
      const cue = cues[i];
      const startMs = cue === undefined ? Number.POSITIVE_INFINITY : Math.max(cue.startMs, coveredMs);
      if (startMs > coveredMs) {
        const gap = startMs - coveredMs < SHORT_GAP_MS ? SHORT_GAP_DOMINANCE : DOMINANCE.sil;
        jaw += gap * mass(coveredMs, startMs, timeMs, JAW);
        shape += gap * mass(coveredMs, startMs, timeMs, SHAPE);
        const weight = gap * mass(coveredMs, startMs, timeMs, TIP);
        out.teeth += weight * VISEME_POSES.sil.teeth;
        tip += weight;
      }
      if (cue === undefined) break;
      const { viseme, endMs } = cue;
      if (startMs > timeMs + REACH_MS + SHORT_GAP_MS) break;
      coveredMs = Math.max(coveredMs, endMs);
      if (endMs <= startMs) continue;
      const pose = VISEME_POSES[viseme];
      const dominance = viseme === 'sil' && endMs - startMs < SHORT_GAP_MS ? SHORT_GAP_DOMINANCE : DOMINANCE[viseme];
      const byJaw = dominance * mass(startMs, endMs, timeMs, JAW);
      out.open += byJaw * pose.open;
      jaw += byJaw;
      const byShape = dominance * mass(startMs, endMs, timeMs, SHAPE);
      out.width += byShape * pose.width;
      out.round += byShape * pose.round;
      shape += byShape;
      const byTip = dominance * mass(startMs, endMs, timeMs, TIP);
      out.teeth += byTip * pose.teeth;
      out.tongue += byTip * pose.tongue;
      out.tuck += byTip * pose.tuck;
      tip += byTip;
      if (viseme === 'PP') {
        const away = Math.max(0, startMs - timeMs, timeMs - endMs) / LIPS_MS;
        lips = Math.min(lips, smoothstep(away));
        const middle = (startMs + endMs) / 2 - timeMs;
        shut ||= middle >= -HALF_FRAME_MS && middle < HALF_FRAME_MS;
      }
    }
    if (shut) lips = 0;
    out.open *= lips / Math.max(jaw, 1e-6);
    out.width /= Math.max(shape, 1e-6);
    out.round /= Math.max(shape, 1e-6);
    out.teeth /= Math.max(tip, 1e-6);
    out.tongue *= lips / Math.max(tip, 1e-6);
    out.tuck *= lips / Math.max(tip, 1e-6);
    out.press = 1 - lips;
  }
}

function clear(out: MouthPose): void {
  out.open = 0;
  out.width = 0;
  out.round = 0;
  out.teeth = 0;
  out.tongue = 0;
  out.press = 0;
  out.tuck = 0;
}

/** The part of a bell around `timeMs` that lies in from…to. */
function mass(fromMs: number, toMs: number, timeMs: number, bell: { before: number; after: number }): number {
  return upTo((toMs - timeMs) / bell.after, (toMs - timeMs) / bell.before) -
    upTo((fromMs - timeMs) / bell.after, (fromMs - timeMs) / bell.before); // prettier-ignore
}

/** Integral of the bell, a raised cosine on each side with half the mass, in widths of either side. */
function upTo(after: number, before: number): number {
  const x = after > 0 ? Math.min(1, after) : Math.max(-1, before);
  return 0.5 + 0.5 * (x + Math.sin(Math.PI * x) / Math.PI);
}

function smoothstep(value: number): number {
  const x = Math.min(1, Math.max(0, value));
  return x * x * (3 - 2 * x);
}
