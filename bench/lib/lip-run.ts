/** Runs sentences through the mouth as the live pipeline would, and compares with the phonemes' truth. */
import type { AudioChunk, MouthPose, SpeechPiece } from '../../src/units.js';
import { FRAME_MS, neutralMouth } from '../../src/units.js';
import { MouthTracker } from '../../src/avatar/mouth/mouth-tracker.js';
import { EspeakEngine } from '../../src/speech/espeak-engine.js';
import { FliteEngine } from '../../src/speech/flite-engine.js';
import { NATIVE_NAMES } from '../../src/speech/embedded-voices.js';
import { newLoudness } from '../../src/speech/loudness.js';
import { shapeSpeech } from '../../src/speech/shape.js';
import { toChunks } from './fit-sound-net.js';
import { BENCH_VOICES, SENTENCES } from './lip-sentences.js';
import { lipClosures, openEspeak, openFlite, truthOpenness, type Phone, type SpokenSentence } from './phoneme-truth.js';

/** A sentence as the product says it, and the truth about it: openness at each ms of the piece. */
export interface BenchSentence {
  voice: string;
  piece: SpeechPiece;
  chunks: AudioChunk[];
  truth: Float64Array;
  closures: Phone[];
}

/** The mouth in each frame from the first of the sentence to 160 ms after its last. */
export interface LipRun {
  sentence: BenchSentence;
  poses: MouthPose[];
}

/** All sentences of a set in every voice: the product's sound and cues, and the phonemes of the same sound. */
export async function renderSentences(set: 'test' | 'tune' = 'test'): Promise<BenchSentence[]> {
  const product = { espeak: await EspeakEngine.load(), flite: await FliteEngine.load() };
  const plain = { espeak: await openEspeak(), flite: await openFlite() };
  const sentences: BenchSentence[] = [];
  for (const { name, engine, language } of BENCH_VOICES) {
    const native = NATIVE_NAMES.get(engine === 'flite' ? name : `espeak-${name}`);
    if (native === undefined) throw new Error(`There is no voice ${name}.`);
    const loudness = newLoudness();
    for (const text of SENTENCES[language][set]) {
      const raw = plain[engine](name, text);
      const piece = shapeSpeech(product[engine].synthesise(native.name, text), 120, loudness);
      const cutMs = offsetMs(raw, piece);
      const phones = raw.phones.map((phone) => ({
        ipa: phone.ipa,
        startMs: Math.max(0, phone.startMs - cutMs),
        endMs: Math.max(0, phone.endMs - cutMs),
      }));
      const chunks = toChunks(piece.pcm, piece.sampleRateHz, `${name}-${sentences.length}`);
      sentences.push({
        voice: name,
        piece,
        chunks,
        truth: truthOpenness(phones, (chunks.length + 4) * FRAME_MS),
        closures: lipClosures(phones),
      });
    }
  }
  return sentences;
}

/** How much the product cut from the beginning: where its sound lies in the plain one. */
function offsetMs(raw: SpokenSentence, piece: SpeechPiece): number {
  const length = Math.round(raw.sampleRateHz * 0.2);
  const from = Math.round(raw.pcm.length / 3);
  let best = -1;
  let bestAt = 0;
  for (let cut = 0; cut < raw.sampleRateHz / 2; cut++) {
    let product = 0;
    let energy = 1;
    for (let i = from; i < from + length; i += 3) {
      const value = piece.pcm[i - cut] ?? 0;
      product += value * (raw.pcm[i] ?? 0);
      energy += value * value;
    }
    if (product / Math.sqrt(energy) > best) {
      best = product / Math.sqrt(energy);
      bestAt = cut;
    }
  }
  return (bestAt / raw.sampleRateHz) * 1000;
}

/** Plays a sentence to a mouth; `ahead`: chunks that wait in the queue. */
export function playSentence(
  sentence: BenchSentence,
  options: { cues: boolean; ahead: number; tracker?: MouthTracker },
): LipRun {
  const tracker = options.tracker ?? new MouthTracker();
  const { chunks, piece } = sentence;
  const pose = neutralMouth();
  const id = chunks[0]!.utteranceId;
  if (options.cues) tracker.addCues(id, piece.cues ?? []);
  const poses: MouthPose[] = [];
  for (let frame = -options.ahead; frame < chunks.length + 4; frame++) {
    const ahead = chunks.slice(Math.max(0, frame + 1), Math.max(0, frame + 1 + options.ahead));
    tracker.next(chunks[frame] ?? null, ahead, pose);
    if (frame >= 0) poses.push({ ...pose });
  }
  tracker.forget(id);
  return { sentence, poses };
}

/** Correlation of openness with the truth over all frames of some runs, with the mouth taken to be `lagMs` late. */
export function correlation(runs: readonly LipRun[], openness: (run: LipRun) => readonly number[], lagMs = 0): number {
  const a: number[] = [];
  const b: number[] = [];
  for (const run of runs) {
    openness(run).forEach((value, frame) => {
      a.push(value);
      b.push(run.sentence.truth[Math.round((frame + 0.5) * FRAME_MS - lagMs)] ?? 0);
    });
  }
  return pearson(a, b);
}

export function pearson(a: readonly number[], b: readonly number[]): number {
  const n = a.length;
  const meanA = a.reduce((sum, x) => sum + x, 0) / n;
  const meanB = b.reduce((sum, x) => sum + x, 0) / n;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; i++) {
    ab += (a[i]! - meanA) * (b[i]! - meanB);
    aa += (a[i]! - meanA) ** 2;
    bb += (b[i]! - meanB) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** The lag in ms with the best correlation, positive when the mouth is late. */
export function bestLagMs(runs: readonly LipRun[], openness: (run: LipRun) => readonly number[]): number {
  let best = -1;
  let at = 0;
  for (let lag = -120; lag <= 120; lag += 5) {
    const value = correlation(runs, openness, lag);
    if (value > best) {
      best = value;
      at = lag;
    }
  }
  return at;
}

/** Share of p, b, m whose frame nearest to the middle of the closure shows pressed or shut lips. */
export function closedShare(runs: readonly LipRun[], openness: (run: LipRun) => readonly number[]): number {
  let closed = 0;
  let all = 0;
  for (const run of runs) {
    const open = openness(run);
    for (const { startMs, endMs } of run.sentence.closures) {
      const frame = Math.min(open.length - 1, Math.floor((startMs + endMs) / 2 / FRAME_MS));
      all += 1;
      if (open[frame]! < 0.06 && run.poses[frame]!.press > 0.6) closed += 1;
    }
  }
  return closed / all;
}
