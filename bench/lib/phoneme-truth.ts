/**
 * What a mouth should do, from the phoneme times of the embedded voices: the yardstick of `bench:lips`. It is
 * kept apart from `src`: it renders with the voices' packages directly and has a table and a smoothing of its own,
 * by IPA letter and not by viseme.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { FliteProgram } from '../../src/speech/flite-program.js';

/** One phoneme as heard, in IPA letters without stress marks; `''` is a pause. */
export interface Phone {
  ipa: string;
  startMs: number;
  endMs: number;
}

/** A sentence as a voice speaks it: mono 16-bit sound and the phonemes in it. */
export interface SpokenSentence {
  pcm: Int16Array;
  sampleRateHz: number;
  phones: Phone[];
}

interface EspeakEvent {
  type: string;
  audio_position: number;
  id?: string | number;
}
interface EspeakWorker {
  set_voice(name: string): void;
  synthesize(text: string, callback: (audio: ArrayBuffer | null, events: EspeakEvent[]) => boolean): void;
}

const require = createRequire(import.meta.url);
const ESPEAK_RATE_HZ = 22_050;

/** Opens espeak-ng once; the function renders a sentence in one of its voices (`en`, `de`, `cmn`). */
export async function openEspeak(): Promise<(voice: string, text: string) => SpokenSentence> {
  const url = pathToFileURL(require.resolve('@echogarden/espeak-ng-emscripten')).href;
  const { default: load } = (await import(url)) as {
    default: () => Promise<{ eSpeakNGWorker: new () => EspeakWorker }>;
  };
  const worker = new (await load()).eSpeakNGWorker();
  return (voice, text) => {
    const pieces: Int16Array[] = [];
    const events: EspeakEvent[] = [];
    worker.set_voice(voice);
    worker.synthesize(text, (audio, more) => {
      if (audio !== null) pieces.push(new Int16Array(audio.slice(0)));
      for (const event of more) if (event.type === 'phoneme') events.push(event);
      return false;
    });
    const pcm = joinPcm(pieces);
    const lengthMs = (pcm.length / ESPEAK_RATE_HZ) * 1000;
    const phones: Phone[] = events.map((event, i) => ({
      ipa: plainIpa(String(event.id ?? '')),
      startMs: event.audio_position,
      endMs: events[i + 1]?.audio_position ?? lengthMs,
    }));
    return { pcm, sampleRateHz: ESPEAK_RATE_HZ, phones: withClosures(phones, pcm, ESPEAK_RATE_HZ) };
  };
}

/**
 * Opens Flite once; the function renders a sentence in one of its voices (`slt`, `rms`, `awb`). Not by `node:wasi`:
 * its objects abort the process now and then when they are collected in the middle of a call.
 */
export async function openFlite(): Promise<(voice: string, text: string) => SpokenSentence> {
  const flite = await FliteProgram.load();
  return (voice, text) => {
    const { printed, file } = flite.run(['-voice', voice, '-psdur', '-t', text, '-o', '/out.wav']);
    const wav = Buffer.from(file);
    const sampleRateHz = wav.readUInt32LE(24);
    const at = wav.indexOf('data') + 8;
    const pcm = new Int16Array(Math.floor((wav.length - at) / 2));
    for (let i = 0; i < pcm.length; i++) pcm[i] = wav.readInt16LE(at + 2 * i);
    let startMs = 0;
    const phones = printed
      .split(/\s+/)
      .filter((word) => word.includes(':'))
      .map((word): Phone => {
        const [name = '', end = '0'] = word.split(':');
        const phone = { ipa: ARPABET[name] ?? '', startMs, endMs: Number(end) * 1000 };
        startMs = phone.endMs;
        return phone;
      });
    return { pcm, sampleRateHz, phones };
  };
}

function joinPcm(pieces: Int16Array[]): Int16Array {
  const all = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function plainIpa(id: string): string {
  return id
    .replace(/\(.*?\)/g, '')
    .normalize('NFD')
    .replace(/[ˈˌːˑ\d\u0300-\u036f_|ʰʲ'-]/g, '')
    .replace('s.', 'ʂ')
    .replace('i.', 'ɨ')
    .replace(/^(p|t|k|ts|tʂ|tɕ)h$/, '$1');
}

/**
 * espeak-ng reports a voiceless stop at its burst; the lips or the tongue close before, in the silence that precedes
 * it. The closure is found in the sound: a run of at least 15 ms below −40 dB of the sentence's peak that ends at the burst.
 * What follows the burst is aspiration, with the mouth already on its way to the next sound.
 */
function withClosures(phones: Phone[], pcm: Int16Array, rateHz: number): Phone[] {
  const peak = pcm.reduce((max, sample) => Math.max(max, Math.abs(sample)), 1);
  const quiet = (ms: number) => {
    const from = Math.max(0, Math.round((ms / 1000) * rateHz));
    const to = Math.min(pcm.length, from + Math.round(0.005 * rateHz));
    for (let i = from; i < to; i++) if (Math.abs(pcm[i] ?? 0) > peak / 100) return false;
    return true;
  };
  const out: Phone[] = [];
  for (const phone of phones) {
    const previous = out.at(-1);
    if (/^[ptkcq]/.test(phone.ipa)) {
      let last = phone.startMs;
      while (last > phone.startMs - 20 && !quiet(last - 5)) last -= 5;
      let start = last;
      while (start > 0 && start > phone.startMs - 80 && quiet(start - 5)) start -= 5;
      start = Math.max(0, start);
      if (last - start >= 15) {
        if (previous !== undefined) previous.endMs = Math.min(previous.endMs, start);
        const burstEnd = Math.min(phone.endMs, phone.startMs + 10);
        out.push({ ipa: phone.ipa, startMs: start, endMs: burstEnd });
        if (phone.ipa.length > 1) out.push({ ipa: phone.ipa.slice(1), startMs: burstEnd, endMs: phone.endMs });
        else out.push({ ipa: 'h', startMs: burstEnd, endMs: phone.endMs });
        continue;
      }
    }
    out.push({ ...phone });
  }
  return out.filter((phone) => phone.endMs > phone.startMs);
}

/** ARPAbet, as Flite's `-psdur` prints it, in IPA. */
const ARPABET: Record<string, string> = {
  aa: 'ɑ', ae: 'æ', ah: 'ʌ', ao: 'ɔ', aw: 'aʊ', ax: 'ə', ay: 'aɪ', eh: 'ɛ', er: 'ɝ', ey: 'eɪ', ih: 'ɪ', iy: 'i',
  ow: 'oʊ', oy: 'ɔɪ', uh: 'ʊ', uw: 'u', b: 'b', ch: 'tʃ', d: 'd', dh: 'ð', f: 'f', g: 'ɡ', hh: 'h', jh: 'dʒ',
  k: 'k', l: 'l', m: 'm', n: 'n', ng: 'ŋ', p: 'p', r: 'ɹ', s: 's', sh: 'ʃ', t: 't', th: 'θ', v: 'v', w: 'w',
  y: 'j', z: 'z', zh: 'ʒ', pau: '',
}; // prettier-ignore

/** Distance between the lips by sound, 0 shut … 1 as wide as speech gets; by jaw height of the vowel chart. */
const OPENNESS: Record<string, number> = {
  a: 0.9, ɑ: 0.9, æ: 0.85, ɒ: 0.75, ʌ: 0.65, ɐ: 0.6, ɛ: 0.55, œ: 0.5, ɔ: 0.55, ɜ: 0.45, e: 0.45, o: 0.45, ɤ: 0.45,
  ø: 0.35, ə: 0.35, ɚ: 0.35, ɝ: 0.35, ɪ: 0.3, ʊ: 0.28, ʏ: 0.25, i: 0.22, ɨ: 0.22, ɯ: 0.22, ʉ: 0.2, u: 0.18, y: 0.18,
  p: 0, b: 0, m: 0, f: 0.08, v: 0.08, ʋ: 0.1, w: 0.12, ɥ: 0.12, θ: 0.15, ð: 0.15, t: 0.18, d: 0.18, n: 0.18, l: 0.2,
  ɫ: 0.2, ɾ: 0.18, s: 0.1, z: 0.1, ʃ: 0.14, ʒ: 0.14, ɕ: 0.14, ʑ: 0.14, ʂ: 0.14, ʐ: 0.16, ç: 0.2, j: 0.2, k: 0.25,
  ɡ: 0.25, g: 0.25, ŋ: 0.25, x: 0.25, χ: 0.25, ɹ: 0.22, r: 0.22, ʁ: 0.22, q: 0.25, c: 0.22, ɲ: 0.2, ʎ: 0.2,
}; // prettier-ignore

/** Half the width of the Hann window that turns steps into jaw movement: an opening takes about 70 ms, 10 to 90 %. */
const JAW_MS = 70;
/** The lips part and meet faster than the jaw moves. */
const LIPS_MS = 45;
/** A pause shorter than this does not close the mouth. */
const SHORT_PAUSE_MS = 60;

/** The closures of p, b and m, ordered, in milliseconds. */
export function lipClosures(phones: readonly Phone[]): { ipa: string; startMs: number; endMs: number }[] {
  return phones.filter(({ ipa }) => /^[pbm]/.test(ipa)).map((phone) => ({ ...phone }));
}

/** Openness 0…1 at each millisecond of the sentence, smoothed as jaw and lips move. */
export function truthOpenness(phones: readonly Phone[], lengthMs: number): Float64Array {
  const length = Math.ceil(lengthMs);
  const steps = new Float64Array(length).fill(Number.NaN);
  const shortPauses: Phone[] = [];
  for (const { ipa, startMs, endMs } of phones) {
    const from = Math.round(startMs);
    const to = Math.min(length, Math.round(endMs));
    if (ipa === '') {
      if (endMs - startMs >= SHORT_PAUSE_MS || to >= length || from === 0) steps.fill(0, from, to);
      else shortPauses.push({ ipa, startMs, endMs });
      continue;
    }
    const letters = [...ipa].filter((letter) => OPENNESS[letter] !== undefined);
    letters.forEach((letter, i) => {
      const a = from + Math.round(((to - from) * i) / letters.length);
      const b = from + Math.round(((to - from) * (i + 1)) / letters.length);
      steps.fill(OPENNESS[letter] ?? 0, a, b);
    });
  }
  fillGaps(steps, shortPauses);
  const smooth = jawSmooth(steps);
  for (const { startMs, endMs } of lipClosures(phones)) {
    for (let t = Math.max(0, Math.ceil(startMs) - LIPS_MS); t < Math.min(length, endMs + LIPS_MS); t++) {
      const away = Math.max(0, startMs - t, t - endMs) / LIPS_MS;
      smooth[t] = (smooth[t] ?? 0) * Math.min(1, away * away * (3 - 2 * away));
    }
  }
  return smooth;
}

/** h has no mouth of its own and takes what follows; a short pause is half of what came before, half of what follows. */
function fillGaps(steps: Float64Array, pauses: readonly Phone[]): void {
  let next = 0;
  for (let i = steps.length - 1; i >= 0; i--) {
    const value = steps[i] ?? 0;
    if (Number.isNaN(value)) steps[i] = next;
    else next = value;
  }
  for (const { startMs, endMs } of pauses) {
    const from = Math.round(startMs);
    steps.fill(steps[from - 1] ?? 0, from, Math.min(steps.length, Math.round((startMs + endMs) / 2)));
  }
}

/** Turns steps, one a millisecond, into the movement of a jaw. */
export function jawSmooth(values: Float64Array): Float64Array {
  const half = JAW_MS;
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let sum = 0;
    let weight = 0;
    for (let k = -half; k <= half; k++) {
      const w = 1 + Math.cos((Math.PI * k) / half);
      sum += w * (values[i + k] ?? 0);
      weight += w;
    }
    out[i] = sum / weight;
  }
  return out;
}
