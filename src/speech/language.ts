import { STOP_WORDS, TELLING_LETTERS } from './stop-words.js';

/** Scripts that are told apart, with the language that is meant unless the letters say more. */
const SCRIPTS = {
  Latin: 'en', Han: 'cmn', Hiragana: 'ja', Katakana: 'ja', Hangul: 'ko', Cyrillic: 'ru', Greek: 'el', Arabic: 'ar',
  Hebrew: 'he', Devanagari: 'hi', Bengali: 'bn', Gurmukhi: 'pa', Gujarati: 'gu', Oriya: 'or', Tamil: 'ta', Telugu: 'te',
  Kannada: 'kn', Malayalam: 'ml', Sinhala: 'si', Thai: 'th', Lao: 'lo', Khmer: 'km', Tibetan: 'bo', Myanmar: 'my',
  Georgian: 'ka', Armenian: 'hy', Ethiopic: 'am', Cherokee: 'chr', Bopomofo: 'cmn',
} as const; // prettier-ignore
export type Script = keyof typeof SCRIPTS;

const SCRIPT_PATTERNS = Object.keys(SCRIPTS).map(
  (name) => [name as Script, new RegExp(`\\p{sc=${name}}`, 'gu')] as const,
);

/** Letters or words by which languages of the same script differ; the first match wins. */
const WITHIN: Partial<Record<Script, readonly (readonly [language: string, pattern: RegExp])[]>> = {
  Han: [['yue', /[嘅咗唔喺嚟冇啲咁嗰哋佢].*[嘅咗唔喺嚟冇啲咁嗰哋佢係]/su]],
  Cyrillic: [
    ['uk', /[їєґ]/iu],
    ['be', /ў/iu],
    ['mk', /[ѓќѕ]/iu],
    ['sr', /[ђћџјљњ]/iu],
    ['kk', /[әғқұһ].*[әғқұһі]/isu],
    ['tt', /[җә]/iu],
    ['ky', /[ңөү]/iu],
    ['ru', /[ыэё]/iu],
    ['uk', /[іʼ]|(?<!\p{L})(?:та|що|як|це|не|привіт)(?!\p{L}).*і/isu],
    ['bg', /ъ(?=[бвгджзклмнпрстфхцчшщ])|(?<!\p{L})(?:съм|да|е|се|са|ще|от|здравей|здравейте|благодаря)(?!\p{L})/iu],
  ],
  Arabic: [
    ['ur', /[ٹڈڑںےہ]/u],
    ['ug', /[ەېۇۆۈ]/u],
    ['fa', /[پچژگکی]/u],
  ],
  Devanagari: [
    ['mr', /ळ|(?<!\p{L})(?:आहे|आहेत|आणि|मी|नाही)(?![\p{L}\p{M}])/u],
    ['ne', /(?<!\p{L})(?:छ|छन्|हुन्छ|मेरो|हो|र)(?![\p{L}\p{M}])/u],
  ],
  Bengali: [['as', /[ৰৱ]/u]],
  Ethiopic: [['ti', /[ቐኸ]/u]],
};

/** A name or two foreign words do not make an English line foreign. */
const ENGLISH_BIAS = 0.4;

let words: Map<string, readonly string[]> | undefined;

/** The script that most of a text's letters belong to; null without letters. Kana beside Han make it Japanese. */
export function scriptOf(text: string): Script | null {
  let best: Script | null = null;
  let most = 0;
  for (const [name, pattern] of SCRIPT_PATTERNS) {
    // A sign or syllable of these says as much as several letters.
    const weight = name === 'Han' || name === 'Hangul' ? 2 : 1;
    const count = (text.match(pattern)?.length ?? 0) * weight;
    if (count > most) [best, most] = [name, count];
  }
  if (best === 'Han' && /[\p{sc=Hiragana}\p{sc=Katakana}]/u.test(text)) return 'Hiragana';
  return best;
}

/**
 * The language of a text as a BCP-47 tag, from its script, its letters and its frequent words. What cannot be told is
 * English for Latin letters, and the most widespread language of any other script.
 */
export function detectLanguage(text: string): string {
  const script = scriptOf(text);
  if (script === null) return 'en';
  if (script === 'Latin') return detectLatin(text);
  for (const [language, pattern] of WITHIN[script] ?? []) if (pattern.test(text)) return language;
  return SCRIPTS[script];
}

function detectLatin(text: string): string {
  words ??= index();
  const scores = new Map<string, number>();
  const add = (language: string, points: number) => scores.set(language, (scores.get(language) ?? 0) + points);
  // Two thousand letters tell as much as a book.
  const sample = text.slice(0, 2000).toLowerCase();
  for (const [word] of sample.matchAll(/\p{L}[\p{L}\p{M}]*/gu)) {
    const languages = words.get(word);
    for (const language of languages ?? []) add(language, 1 / Math.sqrt(languages?.length ?? 1));
  }
  const letters = new Set(sample);
  for (const [language, telling] of Object.entries(TELLING_LETTERS)) {
    for (const letter of telling) if (letters.has(letter)) add(language, language === 'vi' ? 1 : 0.5);
  }
  let best = 'en';
  let most = (scores.get('en') ?? 0) + ENGLISH_BIAS;
  for (const [language, score] of scores) if (score > most + 0.01) [best, most] = [language, score];
  return best;
}

function index(): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const [language, list] of Object.entries(STOP_WORDS)) {
    for (const word of new Set(list.split(' '))) {
      const languages = map.get(word);
      if (languages) languages.push(language);
      else map.set(word, [language]);
    }
  }
  return map;
}
