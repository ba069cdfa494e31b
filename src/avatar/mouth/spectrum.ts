/** Sample rate of the analysis: the sound's 48 kHz by 3. */
export const ANALYSIS_RATE_HZ = 16_000;
/** Samples in one window, 32 ms at `ANALYSIS_RATE_HZ`. */
export const WINDOW_SAMPLES = 512;

/** Edges of the bands in Hz: two below the first formant, then about a third of an octave each. */
const EDGES_HZ = [
  80, 200, 300, 400, 520, 650, 800, 960, 1150, 1350, 1600, 1900, 2250, 2650, 3100, 3700, 4500, 5500, 7900,
];
/** Bands that `Spectrum.measure` gives. */
export const BAND_COUNT = EDGES_HZ.length - 1;
/** First band and the one after the last that count as the loudness of a voice: 200 Hz to 4.5 kHz. */
const VOICE_BANDS = [1, 16] as const;
/** What no sound at all measures, in dB below full scale. */
export const SILENT_DB = -100;

/** Energies of a windowed stretch of sound in bands. Owns its buffers; measuring allocates nothing. */
export class Spectrum {
  readonly #window = new Float32Array(WINDOW_SAMPLES);
  readonly #cos = new Float32Array(WINDOW_SAMPLES / 2);
  readonly #sin = new Float32Array(WINDOW_SAMPLES / 2);
  readonly #reversed = new Uint16Array(WINDOW_SAMPLES);
  readonly #re = new Float32Array(WINDOW_SAMPLES);
  readonly #im = new Float32Array(WINDOW_SAMPLES);
  readonly #firstBin = EDGES_HZ.map((hz) => Math.ceil((hz * WINDOW_SAMPLES) / ANALYSIS_RATE_HZ));

  constructor() {
    const bits = Math.log2(WINDOW_SAMPLES);
    for (let i = 0; i < WINDOW_SAMPLES; i++) {
      this.#window[i] = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / WINDOW_SAMPLES);
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) reversed |= 1 << (bits - 1 - bit);
      this.#reversed[i] = reversed;
    }
    for (let i = 0; i < WINDOW_SAMPLES / 2; i++) {
      this.#cos[i] = Math.cos((2 * Math.PI * i) / WINDOW_SAMPLES);
      this.#sin[i] = -Math.sin((2 * Math.PI * i) / WINDOW_SAMPLES);
    }
  }

  /**
   * Measures the `WINDOW_SAMPLES` samples (−1…1) of `sound` from `from`, writes `BAND_COUNT` energies in dB of full
   * scale to `bandsDb` from `at`, and returns the loudness of the voice bands together, in dB.
   */
  measure(sound: Float32Array, from: number, bandsDb: Float32Array, at: number): number {
    const re = this.#re;
    const im = this.#im;
    for (let i = 0; i < WINDOW_SAMPLES; i++) {
      const j = this.#reversed[i]!;
      re[j] = sound[from + i]! * this.#window[i]!;
    }
    im.fill(0);
    this.#transform();
    let voice = 0;
    for (let band = 0; band < BAND_COUNT; band++) {
      let energy = 0;
      const end = this.#firstBin[band + 1]!;
      for (let bin = this.#firstBin[band]!; bin < end; bin++) energy += re[bin]! * re[bin]! + im[bin]! * im[bin]!;
      energy /= WINDOW_SAMPLES * WINDOW_SAMPLES;
      bandsDb[at + band] = decibels(energy);
      if (band >= VOICE_BANDS[0] && band < VOICE_BANDS[1]) voice += energy;
    }
    return decibels(voice);
  }

  /** In-place radix-2 transform of what lies in bit-reversed order. */
  #transform(): void {
    const re = this.#re;
    const im = this.#im;
    for (let size = 2; size <= WINDOW_SAMPLES; size *= 2) {
      const half = size / 2;
      const step = WINDOW_SAMPLES / size;
      for (let start = 0; start < WINDOW_SAMPLES; start += size) {
        for (let k = 0; k < half; k++) {
          const c = this.#cos[k * step]!;
          const s = this.#sin[k * step]!;
          const a = start + k;
          const b = a + half;
          const x = re[b]! * c - im[b]! * s;
          const y = re[b]! * s + im[b]! * c;
          re[b] = re[a]! - x;
          im[b] = im[a]! - y;
          re[a] = re[a]! + x;
          im[a] = im[a]! + y;
        }
      }
    }
  }
}

function decibels(energy: number): number {
  return energy > 1e-10 ? 10 * Math.log10(energy) : SILENT_DB;
}
