import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captionFont, missingLetters } from '../../src/render/caption-font.js';
import { drawCaption } from '../../src/render/caption-picture.js';
import { captionsOf, toSrt, widthOf } from '../../src/render/captions.js';

const SECOND = 48_000;

describe('captions of a text', () => {
  it('fill the clip without a gap, two lines of 42 letters at most, and lose no word', () => {
    const word = fc.oneof(
      fc.constantFrom('hello', 'a', 'Привет', '你好世界。', 'done.', 'straightforward,'),
      fc.stringMatching(/^[a-zà-ÿ的]{1,100}$/),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), fc.integer({ min: 0, max: 1e9 }), (words, start) => {
        const text = words.join(' ');
        const spans = captionsOf(text, start, 60 * SECOND);
        let at = start;
        for (const span of spans) {
          expect(span.startSample).toBe(at);
          at = span.endSample;
          const lines = span.text.split('\n');
          expect(lines.length).toBeLessThanOrEqual(2);
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(44);
        }
        if (spans.length > 0) expect(at).toBe(start + 60 * SECOND);
        const letters = (s: string): string => s.replace(/-->/g, '→').replace(/[\s\p{Cc}]/gu, '');
        expect(letters(spans.map((span) => span.text).join(''))).toBe(letters(text));
      }),
    );
  });

  it('cut a long Chinese sentence into lines of at most 21 letters', () => {
    const spans = captionsOf(
      '今天天气很好我们一起去公园散步然后在湖边喝茶聊天看着孩子们放风筝直到太阳慢慢落山才回家吃饭。',
      0,
      10 * SECOND,
    );
    expect(spans.length).toBeGreaterThan(0);
    for (const { text } of spans) for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(22);
  });

  it('are written as SubRip with times of the part', () => {
    const spans = [
      { text: 'one', startSample: 0, endSample: 2 * SECOND },
      { text: 'two', startSample: 3601 * SECOND, endSample: 3602.5 * SECOND },
    ];
    expect(toSrt(spans, SECOND, 3602 * SECOND)).toBe(
      '1\n00:00:00,000 --> 00:00:01,000\none\n\n2\n01:00:00,000 --> 01:00:01,000\ntwo\n',
    );
  });
});

describe('a caption in a picture', () => {
  let folder: string;
  let font: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dh-font-'));
    font = await captionFont(null, 'Latin');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('has letters where the text is, in the lower part, and nothing elsewhere', async () => {
    const { input, raw, left, top } = await drawCaption({ text: 'Tom & <Jerry>', fontFile: font }, 640, 360);
    expect(top).toBeGreaterThan(180);
    expect(top + raw.height).toBeLessThanOrEqual(360);
    expect(Math.abs(2 * left + raw.width - 640)).toBeLessThanOrEqual(1);
    const bright = countBright(input);
    expect(bright).toBeGreaterThan(100); // eleven letters, each of ten pixels at least
    expect(input[3]).toBe(0);
  });

  it('tells the letters that a font lacks and leaves them out', async () => {
    const odd = String.fromCodePoint(0x10_fffd);
    expect(await missingLetters(`ab${odd} c`, font)).toEqual([odd]);
    const [plain, withOdd] = await Promise.all(
      ['abc', `a${odd}b${odd}c`].map((text) => drawCaption({ text, fontFile: font }, 640, 360)),
    );
    expect(withOdd).toEqual(plain);
    expect(countBright((await drawCaption({ text: odd, fontFile: font }, 640, 360)).input)).toBe(0);
  });

  it('refuses what is no font, and says so when there is none', async () => {
    const path = join(folder, 'no.ttf');
    await writeFile(path, 'this is not a font at all, whatever it is called');
    await expect(captionFont(path)).rejects.toMatchObject({ code: 'clips_invalid' });
    await expect(captionFont(null, 'a', () => Promise.resolve([path]))).rejects.toMatchObject({
      code: 'clips_invalid',
    });
  });

  it('reads the same letters from a font as fontconfig does', async (context) => {
    let said: string;
    try {
      said = execFileSync('fc-query', ['-i', '0', '-f', '%{charset}', font], { encoding: 'utf8' });
    } catch {
      context.skip();
      return;
    }
    const letters = said.split(' ').flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map((hex) => parseInt(hex, 16));
      return [first, last];
    });
    const text = String.fromCodePoint(...letters.filter((code) => code > 32 && (code < 0xd800 || code > 0xdfff)));
    expect(await missingLetters(text, font)).toEqual([]);
  });
});

function countBright(rgba: Buffer): number {
  let count = 0;
  for (let i = 0; i < rgba.length; i += 4) if (rgba[i]! > 200 && rgba[i + 3]! > 200) count++;
  return count;
}
