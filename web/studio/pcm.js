/** Sound samples without any browser around them: float to 16-bit, mixing, WAV. */

/**
 * Floats (−1…1, louder is clipped, NaN is silence) to signed 16-bit.
 * @param {Float32Array} from
 * @param {Int16Array} into at least as long
 * @returns {number} the loudest absolute value, 0…1
 */
export function floatToS16(from, into) {
  let peak = 0;
  for (let i = 0; i < from.length; i += 1) {
    const value = from[i];
    const clipped = value > 1 ? 1 : value < -1 ? -1 : value === value ? value : 0;
    const size = clipped < 0 ? -clipped : clipped;
    if (size > peak) peak = size;
    into[i] = Math.round(clipped < 0 ? clipped * 32768 : clipped * 32767);
  }
  return peak;
}

/** Average of the channels, each of the same length. One channel is handed back as it is. */
export function mixDown(channels) {
  if (channels.length === 1) return channels[0];
  const mono = new Float32Array(channels[0]?.length ?? 0);
  for (const channel of channels) for (let i = 0; i < mono.length; i += 1) mono[i] += channel[i] / channels.length;
  return mono;
}

/**
 * A mono 16-bit WAV file (RIFF, PCM).
 * @param {Int16Array} samples
 * @param {number} rateHz
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function wavFile(samples, rateHz) {
  const bytes = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(bytes.buffer);
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, samples.length * 2, true);
  for (let i = 0; i < samples.length; i += 1) view.setInt16(44 + i * 2, samples[i], true);
  return bytes;
}
