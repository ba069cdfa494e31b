/**
 * Runs on the browser's audio thread: microphone floats to 16-bit blocks of 20 ms, each posted with its peak.
 */
import { floatToS16 } from './pcm.js';

class MicCapture extends AudioWorkletProcessor {
  #block = new Float32Array(Math.round(sampleRate / 50));
  #filled = 0;

  process([input]) {
    const channel = input?.[0];
    if (!channel) return true;
    let at = 0;
    while (at < channel.length) {
      const count = Math.min(channel.length - at, this.#block.length - this.#filled);
      this.#block.set(channel.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#block.length) this.#post();
    }
    return true;
  }

  #post() {
    const pcm = new Int16Array(this.#block.length);
    const peak = floatToS16(this.#block, pcm);
    this.#filled = 0;
    this.port.postMessage({ pcm: pcm.buffer, peak }, [pcm.buffer]);
  }
}

registerProcessor('mic-capture', MicCapture);
