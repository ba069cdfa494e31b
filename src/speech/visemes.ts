import type { Viseme } from '../units.js';

/** Letters of IPA by mouth shape. What the lips show counts: rounding and lip contact before place inside the mouth. */
const IPA: Record<string, string> = {
  PP: 'pbmɓʙʘ',
  FF: 'fvɱʋⱱɸβ',
  TH: 'θð',
  DD: 'tdlɗʈɖɫɬɭʎʟɮǀǁǂ',
  kk: 'kgɡxɣqɢχʁŋɴɠʛcɟçʝɰʡʄ',
  CH: 'ʃʒɕʑʂʐɧǃ',
  SS: 'sz',
  nn: 'nɲɳ',
  RR: 'rɹɾʀɻɽɺ',
  aa: 'aɐɑäæʌɶ',
  E: 'eɛəɜɘɤɞɚɝᵻ',
  ih: 'iɪɨjɯ',
  oh: 'oɔɒøœɵ',
  ou: 'uʊʉyʏwɥʍ',
};
const IPA_VISEME = new Map<string, Viseme>(
  Object.entries(IPA).flatMap(([viseme, letters]) => Array.from(letters, (letter) => [letter, viseme as Viseme])),
);
/** No shape of their own: the mouth is already on its way to what follows. */
const IPA_BREATH = new Set('hɦħʔʕʜʢ');
const IPA_VOWELS = /[aɐɑæʌɶeɛəɜɘɤɞɚɝᵻiɪɨɯoɔɒøœɵuʊʉyʏ]/u;

/** Phones of Flite's US English voices; two shapes are a diphthong. `hh` takes the shape of what follows. */
const RADIO: Record<string, readonly Viseme[]> = {
  aa: ['aa'], ae: ['aa'], ah: ['aa'], ao: ['oh'], aw: ['aa', 'ou'], ax: ['E'], axr: ['RR'], ay: ['aa', 'ih'],
  eh: ['E'], er: ['RR'], ey: ['E', 'ih'], ih: ['ih'], ix: ['ih'], iy: ['ih'], ow: ['oh', 'ou'], oy: ['oh', 'ih'],
  uh: ['ou'], uw: ['ou'], ux: ['ou'], b: ['PP'], p: ['PP'], m: ['PP'], em: ['PP'], f: ['FF'], v: ['FF'], dh: ['TH'],
  th: ['TH'], d: ['DD'], t: ['DD'], dx: ['DD'], l: ['DD'], el: ['DD'], n: ['nn'], nx: ['nn'], en: ['nn'], g: ['kk'],
  k: ['kk'], ng: ['kk'], ch: ['CH'], jh: ['CH'], sh: ['CH'], zh: ['CH'], s: ['SS'], z: ['SS'], r: ['RR'], w: ['ou'],
  y: ['ih'], hh: [], hv: [], pau: ['sil'], sil: ['sil'], brth: ['sil'],
}; // prettier-ignore

/**
 * The mouth shapes of a phone, in order: none for a breath (it takes the next one's), `sil` for a pause, two for a
 * diphthong.
 *
 * @param symbol one phone in IPA, with any marks for stress, length or tone, or a phone of the radio alphabet
 */
export function visemesOf(symbol: string, alphabet: 'ipa' | 'radio'): readonly Viseme[] {
  if (symbol === '') return ['sil'];
  return alphabet === 'radio' ? (RADIO[symbol] ?? ['E']) : ipaVisemes(symbol);
}

function ipaVisemes(symbol: string): readonly Viseme[] {
  const found: Viseme[] = [];
  let letters = 0;
  let previous = '';
  for (const letter of symbol.normalize('NFC')) {
    // Raised letters, marks, tones and stress change how a phone sounds, hardly what it looks like.
    if (!/\p{L}/u.test(letter) || /\p{Lm}/u.test(letter)) continue;
    letters += 1;
    const viseme = IPA_VISEME.get(letter) ?? IPA_VISEME.get(letter.normalize('NFD').charAt(0));
    if (viseme === undefined) {
      if (!IPA_BREATH.has(letter)) found.push(isVowel(letter) ? 'E' : 'DD');
    } else if ((viseme === 'CH' || viseme === 'SS') && found.length > 0 && /[tdʈɖ]/u.test(previous)) {
      // An affricate: its hold already looks like its end.
      found[found.length - 1] = viseme;
    } else if (found.at(-1) !== viseme) {
      found.push(viseme);
    }
    previous = letter;
  }
  // Only marks (a palatalisation, a tone): the mouth stays. Letters without shapes are a breath.
  if (letters === 0 && /[ʲʷ]/u.test(symbol)) return symbol.includes('ʷ') ? ['ou'] : ['ih'];
  return found;
}

function isVowel(letter: string): boolean {
  return IPA_VOWELS.test(letter.normalize('NFD'));
}
