import { describe, expect, it } from 'vitest';
import { cuesOf } from '../../src/speech/cues.js';
import { asciiText } from '../../src/speech/flite-engine.js';
import { escapeText } from '../../src/speech/espeak-engine.js';
import { level, limit, newLoudness } from '../../src/speech/loudness.js';
import { shapeSpeech } from '../../src/speech/shape.js';
import { visemesOf } from '../../src/speech/visemes.js';

const RATE = 16_000;

/** A tone of the given peak between two times of one second. */
function tone(lengthMs: number, ranges: [fromMs: number, toMs: number, peak: number][]): Int16Array {
  const pcm = new Int16Array((lengthMs * RATE) / 1000);
  for (const [from, to, peak] of ranges) {
    for (let i = (from * RATE) / 1000; i < (to * RATE) / 1000; i += 1) pcm[i] = Math.round(peak * Math.sin(i * 0.1));
  }
  return pcm;
}

describe('visemesOf', () => {
  it.each([
    ['p', ['PP']],
    ['pf', ['PP', 'FF']],
    ['ˈaʊ', ['aa', 'ou']],
    ['ɑːɹ', ['aa', 'RR']],
    ['tʃ', ['CH']],
    ['ts', ['SS']],
    ['tɕh', ['CH']],
    ['th', ['DD']],
    ['ˈiɛ', ['ih', 'E']],
    ['ɔ̃', ['oh']],
    ['ç', ['kk']],
    ['h', []],
    ['ʲ', ['ih']],
    ['', ['sil']],
    ['χ', ['DD']],
  ])('IPA %s looks like %j', (symbol, visemes) => {
    // espeak-ng writes the Greek letter, which is not the IPA one.
    expect(visemesOf(symbol, 'ipa')).toEqual(symbol === 'χ' ? ['kk'] : visemes);
  });

  it('knows the radio alphabet', () => {
    expect(visemesOf('ow', 'radio')).toEqual(['oh', 'ou']);
    expect(visemesOf('hh', 'radio')).toEqual([]);
    expect(visemesOf('m', 'radio')).toEqual(['PP']);
  });
});

describe('cuesOf', () => {
  it('follows the phones without a gap, a breath taking the next shape', () => {
    const phones = [
      { symbol: '', startMs: 0, endMs: 100 },
      { symbol: 'hh', startMs: 100, endMs: 150 },
      { symbol: 'aa', startMs: 150, endMs: 300 },
      { symbol: 'ow', startMs: 300, endMs: 500 },
      { symbol: '', startMs: 500, endMs: 540 },
      { symbol: 's', startMs: 540, endMs: 700 },
    ];
    const raw = { pcm: tone(700, [[100, 700, 8000]]), sampleRateHz: RATE, phones, alphabet: 'radio' as const };
    expect(cuesOf(raw, 80, 700)).toEqual([
      { viseme: 'sil', startMs: 0, endMs: 20 },
      { viseme: 'aa', startMs: 20, endMs: 220 },
      { viseme: 'oh', startMs: 220, endMs: 330 },
      { viseme: 'ou', startMs: 330, endMs: 460 },
      { viseme: 'SS', startMs: 460, endMs: 620 },
    ]);
  });

  it('closes the lips through the hold that espeak-ng counts to the vowel', () => {
    const phones = [
      { symbol: 'a', startMs: 0, endMs: 300 },
      { symbol: 'p', startMs: 300, endMs: 330 },
      { symbol: 'a', startMs: 330, endMs: 500 },
    ];
    const sound = tone(500, [[0, 240, 8000], [300, 500, 8000]]); // prettier-ignore
    const [, closed] = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'ipa' }, 0, 500);
    expect(closed?.viseme).toBe('PP');
    expect(closed?.startMs).toBeGreaterThanOrEqual(230);
    expect(closed?.startMs).toBeLessThanOrEqual(250);
    expect(closed?.endMs).toBe(310);
  });

  it.each([
    ['t', 'DD', 310],
    ['kʰ', 'kk', 310],
    ['th', 'DD', 310],
    ['tʃ', 'CH', 360],
    ['ts', 'SS', 360],
  ])('moves the %s of espeak-ng to its hold, and its breath to what follows', (symbol, viseme, endMs) => {
    const phones = [
      { symbol: 'a', startMs: 0, endMs: 300 },
      { symbol, startMs: 300, endMs: 360 },
      { symbol: 'a', startMs: 360, endMs: 500 },
    ];
    const sound = tone(500, [[0, 240, 8000], [300, 360, 1000], [360, 500, 8000]]); // prettier-ignore
    const cues = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'ipa' }, 0, 500);
    expect(cues.map((cue) => cue.viseme)).toEqual(['aa', viseme, 'aa']);
    expect(cues[1]?.startMs).toBeGreaterThanOrEqual(230);
    expect(cues[1]?.startMs).toBeLessThanOrEqual(255);
    expect(cues[0]?.endMs).toBe(cues[1]?.startMs);
    expect(cues[1]?.endMs).toBe(endMs);
    expect(cues[2]?.startMs).toBe(endMs);
  });

  it.each(['d', 's', 'ç', 'ɡ'])('leaves the %s of espeak-ng where it is dated', (symbol) => {
    const phones = [
      { symbol: 'a', startMs: 0, endMs: 300 },
      { symbol: symbol.normalize('NFD'), startMs: 300, endMs: 360 },
      { symbol: 'a', startMs: 360, endMs: 500 },
    ];
    const sound = tone(500, [[0, 240, 8000], [300, 500, 8000]]); // prettier-ignore
    const [, consonant] = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'ipa' }, 0, 500);
    expect(consonant).toMatchObject({ startMs: 300, endMs: 360 });
  });

  it('closes the lips in the pause before a p', () => {
    const phones = [
      { symbol: 'a', startMs: 0, endMs: 200 },
      { symbol: '', startMs: 200, endMs: 400 },
      { symbol: 'p', startMs: 400, endMs: 415 },
      { symbol: 'a', startMs: 415, endMs: 600 },
    ];
    const sound = tone(600, [[0, 200, 8000], [400, 600, 8000]]); // prettier-ignore
    const [, pause, closed] = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'ipa' }, 0, 600);
    expect(pause).toEqual({ viseme: 'sil', startMs: 200, endMs: 300 });
    expect(closed).toEqual({ viseme: 'PP', startMs: 300, endMs: 410 });
  });

  it('keeps a t that nothing follows to its end', () => {
    const phones = [
      { symbol: 'a', startMs: 0, endMs: 300 },
      { symbol: 't', startMs: 300, endMs: 360 },
      { symbol: '', startMs: 360, endMs: 500 },
    ];
    const sound = tone(500, [[0, 240, 8000], [300, 360, 1000]]); // prettier-ignore
    const cues = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'ipa' }, 0, 500);
    expect(cues[1]).toMatchObject({ viseme: 'DD', endMs: 360 });
    expect(cues[2]).toMatchObject({ viseme: 'sil', startMs: 360 });
  });

  it('keeps them shut through the whole b of Flite, however loud it hums', () => {
    const phones = [
      { symbol: 'aa', startMs: 0, endMs: 200 },
      { symbol: 'b', startMs: 200, endMs: 280 },
      { symbol: 'aa', startMs: 280, endMs: 500 },
    ];
    const sound = tone(500, [[0, 200, 8000], [200, 280, 3000], [280, 500, 8000]]); // prettier-ignore
    const [, closed] = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'radio' }, 0, 500);
    expect(closed).toEqual({ viseme: 'PP', startMs: 200, endMs: 280 });
  });

  it('opens them at the burst that Flite counts to the stop', () => {
    const phones = [
      { symbol: 'aa', startMs: 0, endMs: 200 },
      { symbol: 'p', startMs: 200, endMs: 320 },
      { symbol: 'aa', startMs: 320, endMs: 500 },
    ];
    const sound = tone(500, [[0, 200, 8000], [280, 500, 8000]]); // prettier-ignore
    const [, closed, open] = cuesOf({ pcm: sound, sampleRateHz: RATE, phones, alphabet: 'radio' }, 0, 500);
    expect(closed).toMatchObject({ viseme: 'PP', startMs: 200 });
    expect(closed?.endMs).toBeGreaterThanOrEqual(265);
    expect(closed?.endMs).toBeLessThanOrEqual(285);
    expect(open?.startMs).toBe(closed?.endMs);
  });
});

describe('shapeSpeech', () => {
  it('trims the silence around speech, appends the pause, and moves the cues along', () => {
    const phones = [
      { symbol: '', startMs: 0, endMs: 200 },
      { symbol: 'aa', startMs: 200, endMs: 500 },
      { symbol: '', startMs: 500, endMs: 800 },
    ];
    const raw = { pcm: tone(800, [[200, 500, 8000]]), sampleRateHz: RATE, phones, alphabet: 'radio' as const };
    const { pcm, cues } = shapeSpeech(raw, 250, newLoudness());
    expect(pcm.length).toBe((25 + 300 + 40 + 250) * 16);
    expect(cues).toEqual([
      { viseme: 'sil', startMs: 0, endMs: 25 },
      { viseme: 'aa', startMs: 25, endMs: 325 },
      { viseme: 'sil', startMs: 325, endMs: 615 },
    ]);
  });

  it('makes nothing of silence but the pause', () => {
    const raw = { pcm: new Int16Array(8000), sampleRateHz: RATE, phones: [], alphabet: 'ipa' as const };
    expect(shapeSpeech(raw, 0, newLoudness()).cues).toEqual([]);
  });
});

describe('loudness', () => {
  it('brings a quiet and a loud voice together and never reaches full scale', () => {
    const peaks = [1500, 30_000].map((peak) => {
      const pcm = tone(4000, [[0, 4000, peak]]);
      level(pcm, RATE, newLoudness());
      return pcm.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    });
    expect(Math.max(...peaks) / Math.min(...peaks)).toBeLessThan(2);
    expect(limit(50)).toBeLessThanOrEqual(1);
    expect(limit(0.5)).toBe(0.5);
  });

  it('counts the sound, not the pauses', () => {
    const gainOf = (pcm: Int16Array) => {
      const before = Math.abs(pcm[8000] ?? 0);
      level(pcm, RATE, newLoudness());
      return Math.abs(pcm[8000] ?? 0) / before;
    };
    const dense = gainOf(tone(4000, [[0, 4000, 9000]]));
    const sparse = gainOf(tone(8000, [[0, 4000, 9000]]));
    expect(sparse).toBeCloseTo(dense, 2);
  });
});

describe('what the synthesisers read', () => {
  it('has no markup for espeak-ng', () => {
    expect(escapeText('<break/> a & b [[h@]]')).toBe('&lt;break/&gt; a &amp; b [ [h@]]');
  });

  it('is ASCII for Flite', () => {
    expect(asciiText('“naïve” café – 5€ Straße 你')).toBe('"naive" cafe ,  5 euro  Strasse ');
  });
});
