import type { Closable, OpusPacket } from '../../units.js';
import { OpusEncoder } from './opus-encoder.js';

/**
 * Chunks that a new encoder hears before it is the one that is listened to: it then remembers the same sound as the old
 * one, so that the decoder finds no seam.
 */
const LEAD_CHUNKS = 5;

/**
 * Opus whose bit rate can change while it runs. libopus could do that by itself, but FFmpeg hands the rate over only when
 * it opens the encoder: another encoder is run beside the present one for 200 ms and then takes its place.
 */
export class LiveOpus implements Closable {
  readonly delaySamples: number;
  #bitrateKbps: number;
  #current: OpusEncoder;
  #next: OpusEncoder | null = null;
  #lead = 0;

  /** Throws RangeError for a bit rate that libopus cannot take. */
  constructor({ bitrateKbps }: { bitrateKbps: number }) {
    this.#current = new OpusEncoder({ bitrateKbps });
    this.#bitrateKbps = bitrateKbps;
    this.delaySamples = this.#current.delaySamples;
  }

  /** Encoders that exist: two during a change. */
  get encoders(): number {
    return this.#next ? 2 : 1;
  }

  /** Changes the bit rate, heard 200 ms from now. Throws RangeError for one that libopus cannot take. */
  setBitrate(bitrateKbps: number): void {
    if (bitrateKbps === this.#bitrateKbps) return;
    const next = new OpusEncoder({ bitrateKbps });
    this.#next?.close();
    this.#next = next;
    this.#lead = LEAD_CHUNKS;
    this.#bitrateKbps = bitrateKbps;
  }

  /** As `OpusEncoder.encode`. */
  encode(samples: Int16Array, firstSample: number): OpusPacket[] {
    const packets = this.#current.encode(samples, firstSample);
    if (this.#next) {
      this.#next.encode(samples, firstSample);
      this.#lead -= 1;
      if (this.#lead === 0) this.#takeNext(this.#next);
    }
    return packets;
  }

  close(): void {
    this.#current.close();
    this.#next?.close();
    this.#next = null;
  }

  #takeNext(next: OpusEncoder): void {
    this.#current.close();
    this.#current = next;
    this.#next = null;
  }
}
