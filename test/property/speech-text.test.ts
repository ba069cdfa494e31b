import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { EMBEDDED_VOICES } from '../../src/speech/embedded-voices.js';
import { cutClauses, spokenLength } from '../../src/speech/sentences.js';
import { planSpeech } from '../../src/speech/speech-plan.js';
import { normaliseText } from '../../src/speech/text.js';
import { visemesOf } from '../../src/speech/visemes.js';
import { VoiceCatalog } from '../../src/speech/voice-catalog.js';
import { VISEMES } from '../../src/units.js';

const catalog = new VoiceCatalog(EMBEDDED_VOICES);
const letters = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, '');
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        'Hello',
        'Dr.',
        'z. B.',
        '3.',
        '你好。',
        'です',
        ', ',
        '! ',
        '? ',
        '\n',
        ' ',
        '😀',
        '(',
        ')',
        '**',
      ),
      {
        maxLength: 80,
      },
    )
    .map((parts) => parts.join('')),
);

it('a normalised text has no control character, no lone surrogate and no emoji', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(normaliseText(text)).not.toMatch(/(?!\n)[\p{Cc}\p{Cs}]|\p{Emoji_Presentation}/u);
    }),
  );
});

it('any text is planned without losing a letter, or refused with a code', () => {
  fc.assert(
    fc.property(anyText, fc.option(fc.string(), { nil: undefined }), (text, language) => {
      try {
        const { sentences, parts } = planSpeech({ text, language }, catalog, 5000);
        expect(letters(sentences.join(''))).toBe(letters(normaliseText(text)));
        expect(letters(parts.map((part) => part.text).join(''))).toBe(letters(sentences.join('')));
        for (const part of parts) expect(spokenLength(part.text)).toBeLessThanOrEqual(240);
      } catch (error) {
        if (!(error instanceof DhError)) throw error;
        expect(['text_empty', 'language_unsupported']).toContain(error.code);
      }
    }),
    { numRuns: 300 },
  );
});

it('clauses keep to their limits', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 4, max: 60 }), (text, limit) => {
      const sentence = text.replace(/\s+/g, ' ').trim();
      for (const clause of cutClauses(sentence, limit, limit))
        expect(spokenLength(clause.text)).toBeLessThanOrEqual(limit);
    }),
  );
});

it('every phone has known shapes', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.constantFrom('ipa' as const, 'radio' as const),
      (symbol, alphabet) => {
        for (const viseme of visemesOf(symbol, alphabet)) expect(VISEMES).toContain(viseme);
      },
    ),
  );
});
