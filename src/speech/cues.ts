import type { Viseme, VisemeCue } from '../units.js';
import type { RawSpeech } from './voice.js';
import { visemesOf } from './visemes.js';

/** A pause shorter than this does not relax the mouth: the shape before it is held. */
const SHORT_PAUSE_MS = 70;
/** Lips that meet are seen only when they stay so for a picture's length. */
const MIN_CLOSURE_MS = 45;
/** How far before a stop's burst its hold may begin. */
const MAX_HOLD_MS = 110;
/** Share of a diphthong that its first vowel takes. */
const DIPHTHONG_SHARE = 0.55;

/** What follows a stop's burst is breath, with the mouth already on its way to the next shape. */
const BURST_MS = 10;

interface Shape extends VisemeCue {
  /** Of a stop whose times the sound tells better: its beginning as the synthesiser dates it. */
  stopMs?: number;
  /** p, t, k and their like: the burst ends in a breath. */
  breath?: boolean;
}

/**
 * Mouth shapes of a synthesiser's phones between two times of its sound, counted from the first of them. The cues follow
 * each other without a gap from 0 to the end.
 */
export function cuesOf(raw: RawSpeech, fromMs: number, toMs: number): VisemeCue[] {
  const shapes = shapesOf(raw);
  if (raw.alphabet === 'ipa') holdBeforeBursts(shapes, raw);
  else openAtBursts(shapes, raw);
  return tidy(shapes, fromMs, toMs);
}

function shapesOf({ phones, alphabet }: RawSpeech): Shape[] {
  const shapes: Shape[] = [];
  let breathMs: number | undefined;
  for (const { symbol, startMs, endMs } of phones) {
    const visemes = visemesOf(symbol, alphabet);
    if (visemes.length === 0) {
      breathMs ??= startMs;
      continue;
    }
    let start = visemes[0] === 'sil' ? startMs : (breathMs ?? startMs);
    breathMs = undefined;
    const durations =
      visemes.length === 2 ? [DIPHTHONG_SHARE, 1 - DIPHTHONG_SHARE] : visemes.map(() => 1 / visemes.length);
    for (const [i, viseme] of visemes.entries()) {
      const end = i === visemes.length - 1 ? endMs : start + (endMs - start) * (durations[i] ?? 1);
      const shape: Shape = { viseme, startMs: start, endMs: end };
      if (i === 0 && isStop(symbol, alphabet)) {
        shape.stopMs = start;
        shape.breath = endsInBreath(symbol);
      }
      shapes.push(shape);
      start = end;
    }
  }
  return shapes;
}

/** Whether the sound shows the hold: in Flite's p alone, as its b may hum as loudly as a vowel. */
function isStop(symbol: string, alphabet: RawSpeech['alphabet']): boolean {
  return alphabet === 'radio' ? symbol === 'p' : /^[ˈˌ]?[pbɓtʈkcq]/u.test(symbol.normalize('NFC'));
}

/** Not so an affricate, whose end has a shape of its own, or a stop that is not released (`t-`). */
function endsInBreath(symbol: string): boolean {
  return /^[ˈˌ]?[ptʈkcq][^\p{Ll}-]*h?$/u.test(symbol);
}

/**
 * espeak-ng dates a stop by its burst, and counts the hold before it to the vowel. The sound itself says when the mouth
 * was closed: from where it falls to where it bursts.
 */
function holdBeforeBursts(shapes: Shape[], { pcm, sampleRateHz }: RawSpeech): void {
  const power = (ms: number) => windowPower(pcm, sampleRateHz, ms);
  for (const [i, shape] of shapes.entries()) {
    const before = shapes[i - 1];
    const after = shapes[i + 1];
    const { stopMs } = shape;
    if (stopMs !== undefined) {
      const earliest = Math.max(stopMs - MAX_HOLD_MS, before ? (before.startMs + before.endMs) / 2 : 0);
      const voiced = power(Math.max(0, earliest - 10));
      const quiet = (endMs: number) => endMs >= earliest + 5 && power(endMs - 10) < voiced / 10;
      // The burst may be dated a little late.
      let start = [0, 5, 10, 15, 20].map((ms) => stopMs - ms).find(quiet) ?? stopMs;
      while (quiet(start)) start -= 5;
      // In a pause the sound does not tell, but the mouth gets ready.
      if (before?.viseme === 'sil') start = earliest;
      if (shape.viseme === 'PP') start = Math.min(start, shape.endMs - MIN_CLOSURE_MS);
      shape.startMs = Math.max(earliest, start);
      if (before) before.endMs = shape.startMs;
      if (shape.breath && after && after.viseme !== 'sil') {
        const least = shape.viseme === 'PP' ? MIN_CLOSURE_MS : 0;
        shape.endMs = Math.min(shape.endMs, Math.max(stopMs + BURST_MS, shape.startMs + least));
        after.startMs = shape.endMs;
      }
    }
    if (shape.viseme === 'PP') lengthen(shape, before);
  }
}

/** Flite's stops include their hold and their breath: the lips part where the sound bursts. */
function openAtBursts(shapes: Shape[], { pcm, sampleRateHz }: RawSpeech): void {
  const power = (ms: number) => windowPower(pcm, sampleRateHz, ms);
  for (const [i, shape] of shapes.entries()) {
    const after = shapes[i + 1];
    if (shape.stopMs !== undefined && after && after.viseme !== 'sil') {
      const open = power((after.startMs + after.endMs) / 2);
      let burst = shape.startMs + MIN_CLOSURE_MS;
      while (burst < shape.endMs && power(burst) < open / 30) burst += 5;
      if (burst < shape.endMs) {
        shape.endMs = burst;
        after.startMs = burst;
      }
    }
    if (shape.viseme === 'PP') lengthen(shape, shapes[i - 1]);
  }
}

/** Lips that close too shortly to be seen close earlier. */
function lengthen(shape: Shape, before: Shape | undefined): void {
  const missingMs = MIN_CLOSURE_MS - (shape.endMs - shape.startMs);
  if (missingMs <= 0 || before === undefined || before.viseme === 'PP') return;
  shape.startMs -= Math.min(missingMs, (before.endMs - before.startMs) / 2);
  before.endMs = shape.startMs;
}

/** Mean power of the 10 ms that begin at a time. */
function windowPower(pcm: Int16Array, sampleRateHz: number, ms: number): number {
  const start = Math.max(0, Math.round((ms * sampleRateHz) / 1000));
  const end = Math.min(pcm.length, start + Math.round(sampleRateHz / 100));
  let sum = 0;
  for (let i = start; i < end; i += 1) sum += (pcm[i] ?? 0) ** 2;
  return end > start ? sum / (end - start) : 0;
}

/** Cut to the kept part of the sound, short pauses and repetitions joined, gaps closed. */
function tidy(shapes: readonly Shape[], fromMs: number, toMs: number): VisemeCue[] {
  const cues: VisemeCue[] = [];
  for (const [i, { viseme, startMs, endMs }] of shapes.entries()) {
    const start = Math.max(startMs, fromMs) - fromMs;
    const end = Math.min(endMs, toMs) - fromMs;
    if (end <= start) continue;
    const previous = cues.at(-1);
    const inner = i > 0 && i < shapes.length - 1;
    const held: Viseme =
      viseme === 'sil' && inner && end - start < SHORT_PAUSE_MS && previous ? previous.viseme : viseme;
    if (previous?.viseme === held) previous.endMs = end;
    else cues.push({ viseme: held, startMs: previous?.endMs ?? 0, endMs: end });
  }
  const last = cues.at(-1);
  if (last) last.endMs = toMs - fromMs;
  return cues;
}
