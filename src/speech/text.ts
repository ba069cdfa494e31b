/**
 * Makes a text speakable: no control characters, no emoji, no marks of Markdown, one kind of white space. Paragraphs stay
 * as single line feeds. What looks like SSML or HTML stays text.
 */
export function normaliseText(text: string): string {
  return (
    text
      .normalize('NFC')
      .replace(/\r\n?|[\u2028\u2029\u0085\v\f]/g, '\n')
      // Zero-width joiners hold emoji together, but also letters of Indic and Arabic scripts: only those stay.
      .replace(
        /(?<=[\p{L}\p{M}])([\u200c\u200d])(?=[\p{L}\p{M}])|[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\ufffd]/gu,
        (mark: string, joiner?: string) => (joiner !== undefined || mark === '\n' ? mark : mark === '\t' ? ' ' : ''),
      )
      .replace(/[0-9#*]\ufe0f?\u20e3/gu, ' ')
      .replace(
        /[\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\ufe00-\ufe0f\u20e3]/gu,
        (mark: string) =>
          // Not pictures in running text: ©, ®, ™ and the two exclamation marks.
          /[©®™‼⁉]/u.test(mark) ? mark : ' ',
      )
      .replace(/^ {0,3}(?:```|~~~).*$/gm, '')
      .replace(/^\s{0,3}(?:#{1,6}|>+|[-*+•·▪◦])\s+/gm, '')
      .replace(/^\s*(?:[-*_=]\s*){3,}$/gm, '')
      .replace(/!?\[([^\][]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+"[^"]*")?\)/g, '$1')
      .replace(/(\*{1,3}|~~|`+)(?=\S)(.+?)(?<=\S)\1/g, '$2')
      .replace(/(?<![\p{L}\p{N}_])_{1,2}(?=[^\s_])(.+?)(?<=[^\s_])_{1,2}(?![\p{L}\p{N}_])/gu, '$1')
      .replace(/[^\S\n]+/g, ' ')
      .replace(/ *\n[ \n]*/g, '\n')
      .trim()
  );
}

/** Whether there is anything to say: a letter or a digit. */
export function isSpeakable(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}

/** Number of code points, or more than `limit` as soon as that is sure. */
export function lengthUpTo(text: string, limit: number): number {
  if (text.length > 2 * limit) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
