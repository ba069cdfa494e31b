import { describe, expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { EMBEDDED_VOICES } from '../../src/speech/embedded-voices.js';
import { planSpeech, type PlanRequest } from '../../src/speech/speech-plan.js';
import { VoiceCatalog } from '../../src/speech/voice-catalog.js';

const catalog = new VoiceCatalog(EMBEDDED_VOICES);
const plan = (request: PlanRequest, limit = 5000) => planSpeech(request, catalog, limit);

function errorOf(request: PlanRequest, limit?: number): DhError {
  try {
    plan(request, limit);
  } catch (error) {
    if (error instanceof DhError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a plan', () => {
  it('speaks English with slt unless told otherwise', () => {
    expect(plan({ text: 'Hello there. How are you?' })).toEqual({
      voice: 'slt',
      language: 'en',
      sentences: ['Hello there.', 'How are you?'],
      parts: [
        { text: 'Hello there.', voice: 'slt', language: 'en', sentence: 0, pauseMs: 250 },
        { text: 'How are you?', voice: 'slt', language: 'en', sentence: 1, pauseMs: 0 },
      ],
    });
  });

  it.each([
    [{ text: 'Guten Tag, wie geht es Ihnen?' }, 'espeak-de', 'de'],
    [{ text: '你好。' }, 'espeak-cmn', 'cmn'],
    [{ text: 'Hello', language: 'en-GB' }, 'awb', 'en-GB'],
    [{ text: 'Hello', language: 'en-AU' }, 'slt', 'en-AU'],
    [{ text: 'Olá', language: 'pt-BR' }, 'espeak-pt-br', 'pt-BR'],
    [{ text: '你好', language: 'zh-CN' }, 'espeak-cmn', 'zh-CN'],
    [{ text: '你好', language: 'zh-HK' }, 'espeak-yue', 'zh-HK'],
    [{ text: 'Hello', voice: 'RMS' }, 'rms', 'en'],
    [{ text: 'Hallo Welt', voice: 'de' }, 'espeak-de', 'de'],
    [{ text: 'Hello', voice: '', language: '' }, 'slt', 'en'],
  ])('%j is said by %s in %s', (request, voice, language) => {
    expect(plan(request)).toMatchObject({ voice, language });
  });

  it('gives a sentence in another script a voice that can read it', () => {
    const { voice, parts } = plan({ text: 'Hello there. 你好。 Good bye.' });
    expect(voice).toBe('slt');
    expect(parts.map((part) => part.voice)).toEqual(['slt', 'espeak-cmn', 'slt']);
    const russian = plan({ text: 'Привет, как дела? Меня зовут Анна. The weather is fine.' });
    expect(russian.parts.map((part) => part.voice)).toEqual(['espeak-ru', 'espeak-ru', 'espeak-en-us']);
  });

  it('keeps the chosen voice for other languages of its script', () => {
    expect(plan({ text: 'Guten Tag. Hello.', voice: 'slt' }).parts.map((part) => part.voice)).toEqual(['slt', 'slt']);
  });

  it('makes the first part of a long text short', () => {
    const { parts } = plan({ text: 'and so it goes on '.repeat(200) });
    expect(parts[0]?.text.length).toBeLessThanOrEqual(100);
    for (const { text } of parts) expect(text.length).toBeLessThanOrEqual(240);
  });
});

describe('a refused request', () => {
  it.each(['', ' ', '😀🎉', '*** …', '\u0000'])('%j is empty', (text) => {
    expect(errorOf({ text }).code).toBe('text_empty');
  });

  it('is too long by code points', () => {
    expect(errorOf({ text: 'a'.repeat(1_000_000) }).code).toBe('text_too_long');
    expect(errorOf({ text: 'abcdef' }, 5).code).toBe('text_too_long');
    expect(plan({ text: '𠀀𠀁𠀂𠀃𠀄' }, 5).sentences).toHaveLength(1);
  });

  it('names voices that are near', () => {
    const error = errorOf({ text: 'hi', voice: 'slz' });
    expect(error.code).toBe('voice_not_found');
    expect(error.hint).toContain('slt');
    expect(errorOf({ text: 'hi', voice: 'x'.repeat(10_000) }).message.length).toBeLessThan(200);
  });

  it('says which voice speaks the language', () => {
    const error = errorOf({ text: 'hi', voice: 'slt', language: 'de' });
    expect(error.code).toBe('language_unsupported');
    expect(error.hint).toContain('espeak-de');
    expect(errorOf({ text: 'hi', language: 'xx' }).code).toBe('language_unsupported');
    expect(errorOf({ text: 'ພາສາລາວ' }).code).toBe('language_unsupported');
  });
});
