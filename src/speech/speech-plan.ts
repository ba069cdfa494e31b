import { DhError } from '../errors.js';
import { detectLanguage, scriptOf } from './language.js';
import { cutClauses, splitSentences, type Clause } from './sentences.js';
import { isSpeakable, lengthUpTo, normaliseText } from './text.js';
import type { SpeechPart, VoiceInfo } from './voice.js';
import type { VoiceCatalog } from './voice-catalog.js';

/** Spoken length (letters) of the very first piece: at most 6 s of speech, synthesised in about 100 ms. */
const FIRST_LENGTH = 100;
/** Of every other piece: about 15 s of speech. */
const PART_LENGTH = 240;
const PAUSE_MS = { sentence: 250, clause: 130, word: 20 } as const satisfies Record<Clause['border'], number>;

export interface PlanRequest {
  text: string;
  /** A voice id; without it the preferred voice of the language. */
  voice?: string | undefined;
  /** BCP-47; without it the text tells. */
  language?: string | undefined;
}

/** What will be said, in which voice, cut up. */
export interface SpeechPlan {
  voice: string;
  language: string;
  /** As they were understood, without markup; what is a sentence here is shown in captions. */
  sentences: string[];
  /** What is synthesised at one go, in order. */
  parts: SpeechPart[];
}

/**
 * Checks a request and cuts the text into parts, each with its voice.
 *
 * @throws DhError `text_empty`, `text_too_long`, `voice_not_found`, `language_unsupported`
 */
export function planSpeech(request: PlanRequest, catalog: VoiceCatalog, maxCharacters: number): SpeechPlan {
  if (lengthUpTo(request.text, maxCharacters) > maxCharacters) {
    throw new DhError('text_too_long', `The text is longer than ${maxCharacters} characters.`, {
      hint: 'Send it in several parts.',
    });
  }
  const text = normaliseText(request.text);
  if (!isSpeakable(text)) {
    throw new DhError('text_empty', 'There is nothing in the text that can be spoken.', {
      hint: 'Send at least one word or number.',
    });
  }
  const wanted = request.voice === undefined || request.voice === '' ? undefined : catalog.get(request.voice);
  const asked = request.language === undefined || request.language === '' ? undefined : request.language;
  const language = asked ?? languageOf(text, wanted, catalog);
  const voice = wanted ?? catalog.forLanguage(language);
  if (voice === undefined || (asked !== undefined && !catalog.speaks(voice, asked))) {
    throw new DhError(
      'language_unsupported',
      voice === undefined
        ? `There is no voice for the language "${language.slice(0, 40)}".`
        : `The voice ${voice.id} does not speak "${language.slice(0, 40)}".`,
      { hint: hintFor(language, voice, catalog) },
    );
  }
  const sentences = splitSentences(text);
  return {
    voice: voice.id,
    language,
    sentences,
    parts: partsOf(sentences, voice, language, catalog, asked !== undefined),
  };
}

function hintFor(language: string, voice: VoiceInfo | undefined, catalog: VoiceCatalog): string {
  const other = voice && catalog.forLanguage(language);
  if (other) return `The voice ${other.id} does, or leave the voice out.`;
  return voice ? `It speaks ${voice.languages.join(', ')}.` : 'GET /api/v1/voices lists what there is.';
}

/** A voice that was chosen decides the language, unless it cannot read the script. */
function languageOf(text: string, wanted: VoiceInfo | undefined, catalog: VoiceCatalog): string {
  const detected = detectLanguage(text);
  if (wanted === undefined || catalog.speaks(wanted, detected)) return detected;
  return wanted.languages[0] ?? detected;
}

/** Sentences in another script than the utterance's language is written in get a voice that can read them. */
function partsOf(
  sentences: readonly string[],
  voice: VoiceInfo,
  language: string,
  catalog: VoiceCatalog,
  languageFixed: boolean,
): SpeechPart[] {
  const parts: SpeechPart[] = [];
  for (const [number, sentence] of sentences.entries()) {
    const own = detectLanguage(sentence);
    const foreign =
      !sameScript(own, language) && !catalog.speaks(voice, own) && !(languageFixed && scriptOf(sentence) === 'Latin');
    const speaker = foreign ? catalog.forLanguage(own, voice.engine) : undefined;
    for (const clause of cutClauses(sentence, parts.length === 0 ? FIRST_LENGTH : PART_LENGTH, PART_LENGTH)) {
      parts.push({
        text: clause.text,
        voice: (speaker ?? voice).id,
        language: speaker ? own : language,
        sentence: number,
        pauseMs: PAUSE_MS[clause.border],
      });
    }
  }
  const last = parts.at(-1);
  if (last) last.pauseMs = 0;
  return parts;
}

const SCRIPT_OF_LANGUAGE = new Map<string, string>();

/** Whether two languages are written in the same script, as far as the platform's data knows. */
function sameScript(a: string, b: string): boolean {
  return scriptOfLanguage(a) === scriptOfLanguage(b);
}

function scriptOfLanguage(language: string): string {
  let script = SCRIPT_OF_LANGUAGE.get(language);
  if (script === undefined) {
    try {
      script = new Intl.Locale(language === 'cmn' ? 'zh' : language).maximize().script ?? language;
    } catch {
      script = language;
    }
    // A tag comes from outside: the table must not grow with it.
    if (SCRIPT_OF_LANGUAGE.size < 200) SCRIPT_OF_LANGUAGE.set(language, script);
  }
  return script;
}
