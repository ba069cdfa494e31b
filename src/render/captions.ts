import { splitSentences } from '../speech/sentences.js';
import { SAMPLE_RATE } from '../units.js';

/** Text that is shown under the picture. */
export interface Caption {
  text: string;
  /** A font file that has all its letters. */
  fontFile: string;
}

/** A text and when it is shown, in samples of the whole. */
export interface CaptionSpan {
  text: string;
  startSample: number;
  endSample: number;
}

/** Letters that two lines hold at most; ideographs are twice as wide. */
const MOST_WIDTH = 84;
/** A gap shorter than this is not worth a flicker. */
const JOIN_SAMPLES = 0.3 * SAMPLE_RATE;

/**
 * Cuts what is said in a clip into captions of at most two lines, each as long as its share of the letters.
 */
export function captionsOf(text: string, startSample: number, lengthSamples: number): CaptionSpan[] {
  const pieces = splitSentences(text.replace(/\s+/g, ' ').trim()).flatMap(cutSentence);
  const widths = pieces.map(widthOf);
  const whole = widths.reduce((sum, width) => sum + width, 0);
  const spans: CaptionSpan[] = [];
  let done = 0;
  for (const [i, piece] of pieces.entries()) {
    const from = startSample + Math.round((lengthSamples * done) / whole);
    done += widths[i] ?? 0;
    spans.push({ text: piece, startSample: from, endSample: startSample + Math.round((lengthSamples * done) / whole) });
  }
  return spans.filter(({ startSample: from, endSample }) => endSample > from);
}

/** Lets a caption stand through a short pause until the next one. */
export function closeGaps(spans: readonly CaptionSpan[]): CaptionSpan[] {
  return spans.map((span, i) => {
    const next = spans[i + 1];
    const gap = next ? next.startSample - span.endSample : Infinity;
    return next && gap > 0 && gap <= JOIN_SAMPLES ? { ...span, endSample: next.startSample } : span;
  });
}

/** The captions of a stretch of the time line as a SubRip file, times from its start. */
export function toSrt(spans: readonly CaptionSpan[], startSample: number, endSample: number): string {
  return spans
    .filter((span) => span.startSample < endSample && span.endSample > startSample)
    .map(({ text, startSample: from, endSample: to }, i) => {
      const begin = srtTime(Math.max(from, startSample) - startSample);
      const end = srtTime(Math.min(to, endSample) - startSample);
      return `${i + 1}\n${begin} --> ${end}\n${text}\n`;
    })
    .join('\n');
}

/** How wide a text is, in letters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text)
    width += /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(letter) ? 2 : 1;
  return width;
}

function srtTime(samples: number): string {
  const ms = Math.round((samples * 1000) / SAMPLE_RATE);
  const pad = (value: number, digits: number) => String(Math.floor(value)).padStart(digits, '0');
  return `${pad(ms / 3_600_000, 2)}:${pad((ms / 60_000) % 60, 2)}:${pad((ms / 1000) % 60, 2)},${pad(ms % 1000, 3)}`;
}

function cutSentence(sentence: string): string[] {
  const words = sentence.match(/\S+\s*|\s+/g) ?? [];
  const pieces: string[] = [];
  let line = '';
  const add = (word: string): void => {
    if (line !== '' && widthOf(line) + widthOf(word.trimEnd()) > MOST_WIDTH) {
      pieces.push(line.trim());
      line = '';
    }
    line += word;
  };
  for (const word of words) {
    // Without spaces, as in Chinese, or absurdly long: by letters.
    if (widthOf(word) <= MOST_WIDTH / 2) add(word);
    else for (const letter of word) add(letter);
  }
  if (line.trim() !== '') pieces.push(line.trim());
  return pieces;
}
