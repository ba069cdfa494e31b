/** Text for a terminal: what comes from outside may hold control sequences, and lines have a width. */

/** A text of another program, safe to print: without control characters and direction marks. */
export function plain(value: unknown, most = 200): string {
  const text = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').slice(0, most);
}

// eslint-disable-next-line no-control-regex -- the sequences that colour text begin with a control character
const COLOURS = /\u001b\[[\d;]*m/;
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u; // prettier-ignore

/** Cells that a text takes on the screen; colours take none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const piece of text.split(COLOURS)) for (const char of piece) width += cells(char);
  return width;
}

/** The beginning of a text that fits into `width` cells; colours are kept, and ended where it is cut. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let out = '';
  let used = 0;
  for (let rest = text; rest !== '';) {
    const colour = COLOURS.exec(rest);
    if (colour?.index === 0) {
      out += colour[0];
      rest = rest.slice(colour[0].length);
      continue;
    }
    const char = String.fromCodePoint(rest.codePointAt(0) ?? 32);
    if (used + cells(char) > Math.max(0, width - 1)) break;
    out += char;
    used += cells(char);
    rest = rest.slice(char.length);
  }
  return width < 1 ? '' : `${out}…${out.includes('\u001b') ? '\u001b[0m' : ''}`;
}

/** Fills with spaces up to `width` cells, or cuts; a negative width aligns to the right. */
export function pad(text: string, width: number): string {
  const fitting = cut(text, Math.abs(width));
  const space = ' '.repeat(Math.max(0, Math.abs(width) - widthOf(fitting)));
  return width < 0 ? space + fitting : fitting + space;
}

/** Breaks a text at spaces into lines of at most `width` cells. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

/** Bytes in MB with one decimal below 100. */
export function mb(bytes: number): string {
  const value = bytes / 1e6;
  return value.toFixed(Math.abs(value) < 99.95 ? 1 : 0);
}

function cells(char: string): number {
  return WIDE.test(char) ? 2 : /\p{Mn}/u.test(char) ? 0 : 1;
}
