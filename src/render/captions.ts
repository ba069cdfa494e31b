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

/** Letters that a line holds at most; ideographs are twice as wide. */
const LINE_WIDTH = 42;
const MOST_LINES = 2;
/** A gap shorter than this is not worth a flicker. */
const JOIN_SAMPLES = 0.3 * SAMPLE_RATE;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60]/u;

/**
 * Cuts what is said in a clip into captions of at most two lines, each as long as its share of the letters.
 */
export function captionsOf(text: string, startSample: number, lengthSamples: number): CaptionSpan[] {
  const clean = text
    .replace(/-->/g, '→')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  const pieces = splitSentences(clean).flatMap(cutSentence);
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
  for (const letter of text) width += WIDE.test(letter) ? 2 : 1;
  return width;
}

function srtTime(samples: number): string {
  const ms = Math.round((samples * 1000) / SAMPLE_RATE);
  const pad = (value: number, digits: number) => String(Math.floor(value)).padStart(digits, '0');
  return `${pad(ms / 3_600_000, 2)}:${pad((ms / 60_000) % 60, 2)}:${pad((ms / 1000) % 60, 2)},${pad(ms % 1000, 3)}`;
}

/** A sentence as captions of at most two lines of about the same width. */
function cutSentence(sentence: string): string[] {
  const lines = foldLines(sentence, LINE_WIDTH);
  const captions = Math.ceil(lines.length / MOST_LINES);
  return Array.from({ length: captions }, (_, i) => {
    const text = joinLines(lines.slice(i * MOST_LINES, (i + 1) * MOST_LINES));
    return balance(text);
  });
}

/** The same text in as few lines, the longest of them as short as possible. */
function balance(text: string): string {
  const count = foldLines(text, LINE_WIDTH).length;
  let lines = foldLines(text, LINE_WIDTH);
  for (let width = LINE_WIDTH - 1; width > 0; width--) {
    const narrower = foldLines(text, width);
    if (narrower.length > count) break;
    lines = narrower;
  }
  return lines.join('\n');
}

function foldLines(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  const add = (piece: string): void => {
    if (line !== '' && widthOf(line) + widthOf(piece.trimEnd()) > width) {
      lines.push(line.trim());
      line = '';
    }
    line += piece;
  };
  for (const word of text.match(/\S+\s*/g) ?? []) {
    // Without spaces, as in Chinese, or absurdly long: between letters, but not before a mark that belongs to one.
    if (widthOf(word.trimEnd()) <= width && !WIDE.test(word)) add(word);
    else for (const letter of word.match(/\S[\p{M}\p{Pe}\p{Pf}\p{Po}]*\s*/gu) ?? []) add(letter);
  }
  if (line.trim() !== '') lines.push(line.trim());
  return lines;
}

/** Lines of Latin words had a space between them, those of ideographs had none. */
function joinLines(lines: readonly string[]): string {
  return lines.reduce((text, line) => {
    if (text === '') return line;
    const wide = WIDE.test(text.at(-1) ?? '') || WIDE.test(line[0] ?? '');
    return wide ? text + line : `${text} ${line}`;
  }, '');
}
