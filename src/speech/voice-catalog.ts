import { DhError } from '../errors.js';
import type { VoiceInfo } from './voice.js';

/** Other names of languages, as people and older standards write them. */
const LANGUAGE_ALIASES: Readonly<Record<string, string>> = {
  zh: 'cmn', 'zh-cn': 'cmn', 'zh-hans': 'cmn', 'zh-tw': 'cmn', 'zh-hant': 'cmn', 'zh-sg': 'cmn', 'zh-hk': 'yue',
  'zh-yue': 'yue', no: 'nb', iw: 'he', in: 'id', jw: 'jv', tl: 'fil', 'sr-cyrl': 'sr', 'sr-latn': 'hr', nn: 'nb',
}; // prettier-ignore

/** Finds voices by id and by language. */
export class VoiceCatalog {
  readonly voices: readonly VoiceInfo[];
  readonly #byId: Map<string, VoiceInfo>;

  /** @param voices in order of preference; an id must not occur twice */
  constructor(voices: readonly VoiceInfo[]) {
    this.voices = voices;
    this.#byId = new Map(voices.map((voice) => [voice.id.toLowerCase(), voice]));
    if (this.#byId.size !== voices.length) throw new TypeError('Two voices have the same id.');
  }

  /**
   * A voice by its id, in any case; the short name of an espeak-ng voice (`de`) is understood too.
   *
   * @throws DhError `voice_not_found`, with similar ids in the hint
   */
  get(id: string): VoiceInfo {
    const wanted = id.trim().toLowerCase();
    const voice = this.#byId.get(wanted) ?? this.#byId.get(`espeak-${wanted}`);
    if (voice !== undefined) return voice;
    const near = this.#near(wanted);
    throw new DhError('voice_not_found', `There is no voice "${id.slice(0, 60)}".`, {
      hint: near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'GET /api/v1/voices lists all voices.',
    });
  }

  /** The preferred voice for a language, the exact tag before the bare language; of one engine if it has any. */
  forLanguage(language: string, engine?: string): VoiceInfo | undefined {
    const own = this.voices.filter((voice) => voice.engine === engine);
    for (const tag of fallbacks(language)) {
      if (tag === 'en' && engine === undefined) {
        const preferred = this.voices.find((voice) => voice.default);
        if (preferred) return preferred;
      }
      const found =
        own.find(first(tag)) ??
        this.voices.find(first(tag)) ??
        own.find(first(likely(tag))) ??
        own.find(any(tag)) ??
        this.voices.find(first(likely(tag))) ??
        this.voices.find(any(tag));
      if (found) return found;
    }
    return undefined;
  }

  /** Whether the voice speaks the language, whatever the region. */
  speaks(voice: VoiceInfo, language: string): boolean {
    const wanted = new Set(fallbacks(language).map(bare));
    return voice.languages.some(
      (tag) => wanted.has(bare(tag)) || fallbacks(tag).some((other) => wanted.has(bare(other))),
    );
  }

  #near(wanted: string): string[] {
    return this.voices
      .map(({ id }) => ({ id, distance: distance(wanted, id.toLowerCase().replace(/^espeak-/, '')) }))
      .filter(
        ({ id, distance: d }) => d <= Math.max(1, wanted.length / 3) || (wanted.length > 2 && id.includes(wanted)),
      )
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 4)
      .map(({ id }) => id);
  }
}

const first = (tag: string) => (voice: VoiceInfo) => voice.languages[0]?.toLowerCase() === tag;
const any = (tag: string) => (voice: VoiceInfo) => voice.languages.some((other) => other.toLowerCase() === tag);
const bare = (tag: string) => tag.toLowerCase().split('-')[0] ?? tag;

/** The tag with the region where most of its speakers live. */
function likely(tag: string): string {
  try {
    const { language, region } = new Intl.Locale(tag).maximize();
    return `${language}-${region ?? ''}`.toLowerCase();
  } catch {
    return tag;
  }
}

/** The tag itself, its alias, then shorter and shorter forms. */
function fallbacks(language: string): string[] {
  const tags: string[] = [];
  const parts = language.trim().toLowerCase().replaceAll('_', '-').split('-');
  for (let length = parts.length; length > 0; length -= 1) {
    const tag = parts.slice(0, length).join('-');
    const alias = LANGUAGE_ALIASES[tag];
    if (alias !== undefined) tags.push(alias);
    tags.push(tag);
  }
  return [...new Set(tags)];
}

/** Edits between two short strings (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= Math.min(a.length, 60); i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
