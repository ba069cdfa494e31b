import type { SpeechPiece } from '../units.js';
import { cuesOf } from './cues.js';
import { level } from './loudness.js';
import type { LoudnessState, RawSpeech } from './voice.js';

/** What is left of a voice's own silence before and after the sound, in milliseconds. */
const LEAD_MS = 25;
const TAIL_MS = 40;
/** 5 ms count as silence below this sample value, and below this share of the loudest: recorded voices breathe. */
const SILENCE_PEAK = 100;
const SILENCE_SHARE = 0.02;

/**
 * Makes a synthesiser's sound fit to play: its silence at both ends is trimmed, so that speech starts at once, its
 * loudness is levelled, and the pause that was asked for is appended. The times of the cues go with it.
 */
export function shapeSpeech(raw: RawSpeech, pauseMs: number, loudness: LoudnessState): SpeechPiece {
  const { sampleRateHz } = raw;
  const toSamples = (ms: number) => Math.round((ms * sampleRateHz) / 1000);
  const sound = soundIn(raw.pcm, toSamples(5));
  const start = Math.max(0, sound.start - toSamples(LEAD_MS));
  const end = Math.min(raw.pcm.length, sound.end + toSamples(TAIL_MS));
  const kept = raw.pcm.subarray(start, end);
  const cues = cuesOf(raw, (start * 1000) / sampleRateHz, (end * 1000) / sampleRateHz);
  const pcm = new Int16Array(kept.length + toSamples(pauseMs));
  pcm.set(kept);
  level(pcm.subarray(0, kept.length), sampleRateHz, loudness);
  const endMs = (pcm.length * 1000) / sampleRateHz;
  const last = cues.at(-1);
  if (last?.viseme === 'sil') last.endMs = endMs;
  else if (last !== undefined && endMs > last.endMs) cues.push({ viseme: 'sil', startMs: last.endMs, endMs });
  return { pcm, sampleRateHz, cues };
}

/** Where the sound lies between silences, in samples; an empty range when there is none. */
function soundIn(pcm: Int16Array, stepSamples: number): { start: number; end: number } {
  let peak = 0;
  for (const value of pcm) peak = Math.max(peak, Math.abs(value));
  const limit = Math.max(SILENCE_PEAK, peak * SILENCE_SHARE);
  const loud = (from: number) => {
    const to = Math.min(pcm.length, from + stepSamples);
    for (let i = from; i < to; i += 1) if (Math.abs(pcm[i] ?? 0) > limit) return true;
    return false;
  };
  let start = 0;
  while (start < pcm.length && !loud(start)) start += stepSamples;
  if (start >= pcm.length) return { start: 0, end: 0 };
  let end = pcm.length;
  while (end > start && !loud(Math.max(start, end - stepSamples))) end -= stepSamples;
  return { start, end };
}
