import { BAND_COUNT } from './spectrum.js';

/** Hops before and after the one asked for that the network sees as well. */
export const CONTEXT_HOPS = 4;
/** Numbers that the network reads: three hops of band levels. */
export const NET_INPUTS = 3 * BAND_COUNT;
/** Hidden units. */
export const NET_HIDDEN = 16;
/** What it gives: openness, width, rounding, teeth, lips pressed. */
export const NET_OUTPUTS = 5;
/** Weights and offsets of both layers. */
export const NET_SIZE = (NET_INPUTS + 1) * NET_HIDDEN + (NET_HIDDEN + 1) * NET_OUTPUTS;

/** Level of a band as the network reads it: 0 at the reference, −3 at 60 dB below and less. */
export function netInput(bandDb: number, referenceDb: number): number {
  const below = bandDb - referenceDb;
  return below > -60 ? below / 20 : -3;
}

/**
 * Two layers, tanh between, from the shape of three spectra to the shape of a mouth. `weights` holds, for each hidden
 * unit, its input weights and offset, then the same for each output; `npm run bench:lips -- --fit` makes them. Stateless
 * but for a buffer.
 */
export class SoundNet {
  readonly #weights: Float32Array;
  readonly #hidden = new Float32Array(NET_HIDDEN);

  /** Throws RangeError when there are not `NET_SIZE` weights. */
  constructor(weights: Float32Array) {
    if (weights.length !== NET_SIZE) throw new RangeError(`The network needs ${NET_SIZE} weights`);
    this.#weights = weights;
  }

  /** Reads `NET_INPUTS` numbers and adds `NET_OUTPUTS` numbers times `weight` to `out`. */
  run(inputs: Float32Array, weight: number, out: Float32Array): void {
    const w = this.#weights;
    let at = 0;
    for (let unit = 0; unit < NET_HIDDEN; unit++) {
      let sum = w[at + NET_INPUTS]!;
      for (let i = 0; i < NET_INPUTS; i++) sum += w[at + i]! * inputs[i]!;
      this.#hidden[unit] = Math.tanh(sum);
      at += NET_INPUTS + 1;
    }
    for (let output = 0; output < NET_OUTPUTS; output++) {
      let sum = w[at + NET_HIDDEN]!;
      for (let unit = 0; unit < NET_HIDDEN; unit++) sum += w[at + unit]! * this.#hidden[unit]!;
      out[output] = out[output]! + weight * sum;
      at += NET_HIDDEN + 1;
    }
  }
}

/** Weights as they are kept: 16-bit numbers of 1/1024, little-endian, in base 64. */
export function decodeWeights(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(2 * i) / 1024);
}

/** The opposite of `decodeWeights`; weights beyond ±32 are cut. */
export function encodeWeights(weights: ArrayLike<number>): string {
  const bytes = Buffer.alloc(2 * weights.length);
  for (let i = 0; i < weights.length; i++) {
    bytes.writeInt16LE(Math.round(Math.min(31.99, Math.max(-32, weights[i]!)) * 1024), 2 * i);
  }
  return bytes.toString('base64');
}
