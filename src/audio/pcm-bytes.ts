/**
 * Turns messages of bytes into signed 16-bit little-endian samples. A message may have any length and begin or end
 * in the middle of a sample: the odd byte waits for the next one.
 */
export class PcmBytes {
  #samples: Int16Array;
  #odd = -1;

  /** @param capacitySamples Samples of the usual message; a longer one makes the buffer grow to its length. */
  constructor(capacitySamples = 4_096) {
    this.#samples = new Int16Array(capacitySamples);
  }

  /** Whether half a sample is waiting. */
  get hasOddByte(): boolean {
    return this.#odd >= 0;
  }

  /** @returns The samples that are complete now: a view of memory that the next call writes again. */
  push(bytes: Uint8Array): Int16Array {
    const carried = this.#odd >= 0 ? 1 : 0;
    const count = (bytes.length + carried) >> 1;
    if (count > this.#samples.length) this.#samples = new Int16Array(count);
    const samples = this.#samples;
    if (bytes.length === 0) return samples.subarray(0, 0);
    let at = 0;
    let i = 0;
    if (carried === 1) samples[i++] = this.#odd | (bytes[at++]! << 8);
    for (; i < count; i++, at += 2) samples[i] = bytes[at]! | (bytes[at + 1]! << 8);
    this.#odd = at < bytes.length ? bytes[at]! : -1;
    return samples.subarray(0, count);
  }

  /** Forgets the odd byte. */
  reset(): void {
    this.#odd = -1;
  }
}
