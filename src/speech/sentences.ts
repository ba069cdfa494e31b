/** A piece of a sentence, and how it ends. */
export interface Clause {
  text: string;
  /** `word`: it had to be cut between words or letters, nobody would pause there. */
  border: 'sentence' | 'clause' | 'word';
}

const ABBREVIATION =
  /(?:^|[\s("'«„“])(?:\p{Lu}|\p{L}\.\s?\p{L}|d\.\s?h|dr|mr|mrs|ms|prof|st|sr|sra|jr|hr|fr|frau|hl|nr|no|abs|art|bzw|ca|usw|etc|evtl|ggf|inkl|max|min|mio|mrd|str|tel|vgl|vs|zzgl|mme|mlle|m|dott|sig|ing|dna|ul|np|tzn|pan|al|fig|vol|pp|approx|dept|est|gen|gov|hon|lt|col|sgt|rev|jan|feb|mar|apr|jun|jul|aug|sep|sept|okt|oct|nov|dez|dec)\.\s*$/iu;
/** German and Scandinavian ordinals: "am 3. Mai". */
const ORDINAL = /(?:^|\s)\d{1,2}\.\s*$/u;
const MONTH = /^(?:jan|feb|mär|mar|apr|mai|maj|jun|jul|aug|sep|okt|nov|dez|dec|jahrhundert|century|\p{Ll})/iu;
/** Syllables or words of one letter. */
const WIDE = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/u;
/** A comma between digits is none; the full-width marks of Chinese and Japanese need no space after them. */
const CLAUSE_END =
  /[,;:\u060c\u061b\u104a)\]\u2026](?=\s)|[\u3001\uff0c\uff1b\uff1a\u2014]|\s[\u2013-](?=\s)|(?<=\p{sc=Han})[,;:]/gu;

let segmenters: { sentence: Intl.Segmenter; grapheme: Intl.Segmenter } | undefined;

/** Made when first needed: each loads tables. */
function tools(): NonNullable<typeof segmenters> {
  segmenters ??= {
    sentence: new Intl.Segmenter(undefined, { granularity: 'sentence' }),
    grapheme: new Intl.Segmenter(undefined, { granularity: 'grapheme' }),
  };
  return segmenters;
}

/** Sentences of a normalised text, in order, each trimmed; nothing that could be spoken is lost. */
export function splitSentences(text: string): string[] {
  const sentences: string[] = [];
  // A line that goes on in small letters was only wrapped.
  for (const paragraph of text.replace(/\n(?=\p{Ll})/gu, ' ').split('\n')) {
    let open = '';
    const segments = Array.from(tools().sentence.segment(paragraph), ({ segment }) => segment);
    for (const [i, segment] of segments.entries()) {
      open += segment;
      const next = segments[i + 1];
      const goesOn = next !== undefined && (ABBREVIATION.test(open) || (ORDINAL.test(open) && MONTH.test(next)));
      if (goesOn) continue;
      sentences.push(open.trim());
      open = '';
    }
  }
  return joinUnspeakable(sentences);
}

/** A piece without a letter belongs to the one before it. */
function joinUnspeakable(pieces: readonly string[]): string[] {
  const joined: string[] = [];
  for (const piece of pieces) {
    if (/[\p{L}\p{N}]/u.test(piece)) joined.push(piece);
    else if (joined.length > 0 && piece !== '') joined[joined.length - 1] += ` ${piece}`;
  }
  return joined;
}

/** How long a text takes to say, roughly in letters of an alphabet. */
export function spokenLength(text: string): number {
  let length = 0;
  for (const letter of text) length += weightOf(letter);
  return length;
}

/** Letters that it takes to say one: digits and signs become words, capitals may be spelled. */
function weightOf(letter: string): number {
  if (/[a-z ]/.test(letter)) return 1;
  if (/[\p{N}\p{S}#%&@*]/u.test(letter)) return 4;
  if (WIDE.test(letter)) return 3;
  return /\p{Lu}/u.test(letter) ? 2 : 1;
}

/**
 * Cuts a sentence so that no piece is longer than asked, at clause borders where there are any, else between words, else
 * between letters. A sentence that fits stays whole, but a first piece is cut at its first comma when it is longer than
 * two thirds of its limit: nobody hears anything until it is synthesised.
 *
 * @param firstLimit limit of the first piece, in `spokenLength`
 * @param limit limit of the others
 */
export function cutClauses(sentence: string, firstLimit: number, limit: number): Clause[] {
  const clauses: Clause[] = [];
  let rest = sentence;
  while (rest !== '') {
    const eager = clauses.length === 0 && firstLimit < limit;
    const allowed = clauses.length === 0 ? firstLimit : limit;
    const length = spokenLength(rest);
    if (length <= (eager ? (allowed * 2) / 3 : allowed)) break;
    const clauseEnd = findClauseEnd(rest, allowed, eager);
    if (clauseEnd === 0 && length <= allowed) break;
    const at = clauseEnd > 0 ? clauseEnd : findWordEnd(rest, allowed);
    const head = rest.slice(0, at).trim();
    if (head !== '') clauses.push({ text: head, border: clauseEnd > 0 ? 'clause' : 'word' });
    rest = rest.slice(at).trim();
  }
  if (/[\p{L}\p{N}]/u.test(rest) || clauses.length === 0) clauses.push({ text: rest, border: 'sentence' });
  const last = clauses.at(-1);
  if (last) last.border = 'sentence';
  return clauses;
}

/** Where the last clause ends that fits (the first, when eager), in UTF-16 units; 0 when none does. */
function findClauseEnd(text: string, limit: number, eager: boolean): number {
  const end = indexAt(text, limit);
  let found = 0;
  for (const match of text.slice(0, end + 1).matchAll(CLAUSE_END)) {
    const at = match.index + match[0].length;
    if (at > end || at >= text.length || !/[\p{L}\p{N}]/u.test(text.slice(found, at))) continue;
    // A single word before a comma is no piece of its own.
    if (spokenLength(text.slice(0, at)) < limit / 5) continue;
    found = at;
    if (eager) break;
  }
  return found;
}

/** Where the last word ends that fits, or the last letter with its marks in a word without end. */
function findWordEnd(text: string, limit: number): number {
  const end = indexAt(text, limit);
  const window = text.slice(0, end + 1);
  const space = window.lastIndexOf(' ');
  if (space > end / 3) return space;
  let at = 0;
  for (const { index, segment } of tools().grapheme.segment(window)) {
    if (index + segment.length > end) break;
    at = index + segment.length;
  }
  // A letter with more marks than the limit is cut like anything else.
  return at > 0 ? at : end;
}

/** Index in UTF-16 units of the first letter that exceeds a spoken length. */
function indexAt(text: string, limit: number): number {
  let length = 0;
  let index = 0;
  for (const letter of text) {
    length += weightOf(letter);
    if (length > limit) return Math.max(index, 1);
    index += letter.length;
  }
  return index;
}
