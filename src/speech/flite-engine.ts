import { FliteProgram } from './flite-program.js';
import type { Phone, RawSpeech, Synthesiser } from './voice.js';

/** Flite in this thread: English voices made from recorded speech, 16 kHz, every phone with its end. */
export class FliteEngine implements Synthesiser {
  readonly #program: FliteProgram;

  private constructor(program: FliteProgram) {
    this.#program = program;
  }

  /** Compiles and instantiates the program: 50–150 ms, about 25 MB. */
  static async load(): Promise<FliteEngine> {
    return new FliteEngine(await FliteProgram.load());
  }

  /** @param voice as the program names it: `slt`, `rms`, `awb`, `kal16` */
  synthesise(voice: string, text: string): RawSpeech {
    const { printed, file } = this.#program.run(['-voice', voice, '-psdur', '-t', asciiText(text), '-o', 'speech.wav']);
    const { pcm, sampleRateHz } = wavSamples(file);
    return { pcm, sampleRateHz, phones: phonesOf(printed), alphabet: 'radio' };
  }
}

/** Flite reads ASCII only: letters lose their accents, typographic signs become plain ones, the rest is left out. */
export function asciiText(text: string): string {
  return text
    .replace(/[‘’ʼ]/g, "'")
    .replace(/[“”„«»]/g, '"')
    .replace(/[–—…]/g, ', ')
    .replace(/ß/g, 'ss')
    .replace(/[æœÆŒ]/g, (letter) => ({ æ: 'ae', œ: 'oe', Æ: 'Ae', Œ: 'Oe' })[letter] ?? '')
    .replace(/[øØłŁđĐ]/g, (letter) => ({ ø: 'o', Ø: 'O', ł: 'l', Ł: 'L', đ: 'd', Đ: 'D' })[letter] ?? '')
    .replace(/€/g, ' euro ')
    .replace(/£/g, ' pound ')
    .normalize('NFKD')
    .replace(/\u2044/g, '/')
    .replace(/[^\x20-\x7e]/g, '');
}

/** `pau:0.164 hh:0.233 …`: names and ends, in seconds. */
function phonesOf(printed: string): Phone[] {
  let startMs = 0;
  return Array.from(printed.matchAll(/([a-z]+):([\d.]+)/g), ([, name = '', end]) => {
    const phone = { symbol: name === 'pau' ? '' : name, startMs, endMs: Number(end) * 1000 };
    startMs = phone.endMs;
    return phone;
  });
}

/** The samples of the RIFF file that Flite writes: a plain header of 44 bytes, then mono 16-bit PCM. */
function wavSamples(file: Uint8Array): { pcm: Int16Array; sampleRateHz: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 44 || view.getUint32(0) !== 0x52494646) throw new Error('Flite wrote no sound.');
  const lengthSamples = (file.length - 44) >> 1;
  const pcm = new Int16Array(lengthSamples);
  for (let i = 0; i < lengthSamples; i += 1) pcm[i] = view.getInt16(44 + 2 * i, true);
  return { pcm, sampleRateHz: view.getUint32(24, true) };
}
