import { describe, expect, it } from 'vitest';
import { cutClauses, splitSentences, spokenLength } from '../../src/speech/sentences.js';
import { isSpeakable, normaliseText } from '../../src/speech/text.js';

describe('normaliseText', () => {
  it.each([
    ['Hello **world**! 😀 Visit [the site](https://x.y/z_(a)) now.', 'Hello world! Visit the site now.'],
    ['# Title\n- one\n- two\n\n> quote `code`', 'Title\none\ntwo\nquote code'],
    ['snake_case_name and 5 * 3 = 15, 4 * 2', 'snake_case_name and 5 * 3 = 15, 4 * 2'],
    ['a\u0000b\u0007c\td\r\ne', 'abc d\ne'],
    ['👨‍👩‍👧 ok 🇩🇪 1️⃣', 'ok'],
    ['क्\u200dष', 'क्\u200dष'],
    ['<speak>hi</speak>', '<speak>hi</speak>'],
    ['\ud800 lone', 'lone'],
    ['line\u2028line', 'line\nline'],
  ])('%j becomes %j', (text, expected) => {
    expect(normaliseText(text)).toBe(expected);
  });

  it.each(['', '  \n', '😀🎉', '***', '?!…', '\u0000\u200b'])('finds nothing speakable in %j', (text) => {
    expect(isSpeakable(normaliseText(text))).toBe(false);
  });
});

describe('splitSentences', () => {
  it.each([
    [
      'Dr. Smith went to Washington. He met Mr. J. Doe. Really?',
      ['Dr. Smith went to Washington.', 'He met Mr. J. Doe.', 'Really?'],
    ],
    [
      'Das ist z. B. gut. Am 3. Mai kommt Prof. Müller. Ende.',
      ['Das ist z. B. gut.', 'Am 3. Mai kommt Prof. Müller.', 'Ende.'],
    ],
    ['你好。今天天气很好！我们去吧？好的', ['你好。', '今天天气很好！', '我们去吧？', '好的']],
    ['これは文です。次の文です！', ['これは文です。', '次の文です！']],
    ['हैलो। आप कैसे हैं?', ['हैलो।', 'आप कैसे हैं?']],
    ['Version 3.14 is out... Right?', ['Version 3.14 is out...', 'Right?']],
    ['a wrapped\nline goes on.\nNew line', ['a wrapped line goes on.', 'New line']],
    ['. . . !!! ok', ['ok']],
  ])('cuts %j', (text, expected) => {
    expect(splitSentences(text)).toEqual(expected);
  });
});

describe('cutClauses', () => {
  it('leaves what fits alone', () => {
    expect(cutClauses('Yes, it does.', 90, 240)).toEqual([{ text: 'Yes, it does.', border: 'sentence' }]);
  });

  it('cuts at a clause border where there is one', () => {
    const sentence = `${'It starts with a part of some length'}, and then ${'it goes on '.repeat(8)}to its end.`;
    const [first, second] = cutClauses(sentence, 90, 240);
    expect(first).toEqual({ text: 'It starts with a part of some length,', border: 'clause' });
    expect(second?.border).toBe('sentence');
  });

  it('cuts a first piece at its first comma when it would take long', () => {
    const sentence = 'Good evening everybody, welcome to the show, and thank you for coming here.';
    expect(cutClauses(sentence, 100, 240).map(({ text }) => text)).toEqual([
      'Good evening everybody,',
      'welcome to the show, and thank you for coming here.',
    ]);
    expect(cutClauses('Well, this one is short enough.', 100, 240)).toHaveLength(1);
  });

  it('does not cut a number at its comma', () => {
    const clauses = cutClauses(`${'word '.repeat(6)}1,234,567 ${'word '.repeat(20)}`.trim(), 45, 240);
    expect(clauses.some(({ text }) => text.includes('1,234,567'))).toBe(true);
  });

  it('cuts Chinese at its own comma, counting its letters three times', () => {
    const sentence = '今天天气很好，我们去公园玩吧，然后一起吃饭，晚上看电影，明天再去上班，后天休息。';
    const clauses = cutClauses(sentence, 45, 240);
    expect(clauses[0]).toEqual({ text: '今天天气很好，', border: 'clause' });
    expect(clauses.map(({ text }) => text).join('')).toBe(sentence);
  });

  it('cuts text without any border between words, and words without end between letters', () => {
    for (const text of ['word '.repeat(100).trim(), 'x'.repeat(500)]) {
      const clauses = cutClauses(text, 90, 240);
      expect(clauses.length).toBe(3);
      expect(spokenLength(clauses[0]?.text ?? '')).toBeLessThanOrEqual(90);
      expect(clauses[0]?.border).toBe('word');
    }
  });
});
