import { expect, it } from 'vitest';
import { detectLanguage, scriptOf } from '../../src/speech/language.js';

it.each([
  ['en', 'Hello world'],
  ['en', 'OK'],
  ['en', '12345'],
  ['en', 'The quick brown fox jumps over the lazy dog.'],
  ['de', 'Hallo Welt'],
  ['de', 'Die Katze sitzt auf dem Dach.'],
  ['fr', 'Bonjour le monde'],
  ['fr', 'Le chat est sur la table'],
  ['es', 'El gato está en la mesa'],
  ['it', 'Il gatto è sul tavolo'],
  ['pt', 'Olá, tudo bem?'],
  ['nl', 'Hoe gaat het met je?'],
  ['pl', 'Dzień dobry, jak się masz?'],
  ['tr', 'Merhaba dünya, nasılsın?'],
  ['sv', 'Hej, hur mår du idag?'],
  ['da', 'God dag, hvordan har du det?'],
  ['fi', 'Hei, mitä kuuluu?'],
  ['cs', 'Dobrý den, jak se máte'],
  ['hu', 'Jó napot kívánok'],
  ['ro', 'Bună ziua'],
  ['vi', 'Xin chào các bạn'],
  ['ru', 'Привет мир'],
  ['uk', 'Привіт, як справи?'],
  ['bg', 'Здравей, как си?'],
  ['el', 'Γεια σου'],
  ['ar', 'مرحبا بالعالم'],
  ['fa', 'سلام، حال شما چطور است؟'],
  ['ur', 'یہ کیا ہے'],
  ['he', 'שלום'],
  ['hi', 'नमस्ते दुनिया'],
  ['th', 'สวัสดี'],
  ['ko', '안녕하세요'],
  ['ja', '日本語です'],
  ['cmn', '今天天气很好'],
  ['yue', '佢喺度食嘢'],
])('hears %s in %s', (language, text) => {
  expect(detectLanguage(text)).toBe(language);
});

it('tells the script of most letters', () => {
  expect(scriptOf('Hello 你好世界和平')).toBe('Han');
  expect(scriptOf('123 !?')).toBeNull();
});
