import type { PacketRing } from './packet-ring.js';
import { RTP_HEADER_BYTES } from './rtp.js';

/** The shortest payload descriptor: no picture number, no layers (RFC 7741, section 4.2). */
const DESCRIPTOR_BYTES = 1;
const START_OF_PARTITION = 0x10;

/**
 * Cuts VP8 frames into RTP payloads (RFC 7741), all of one frame of nearly the same length. They are written straight
 * into the ring; nothing is kept between frames.
 */
export class Vp8Packetiser {
  readonly #ring: PacketRing;
  #refused = 0;

  constructor(ring: PacketRing) {
    this.#ring = ring;
  }

  /** Frames that were longer than half of the ring, and therefore given up. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Writes the packets of one frame; the last has the marker bit.
   * @param data one encoded frame; only read during the call
   * @param timestamp 90 kHz, from the stream's own zero
   * @returns how many packets were written; 0 when there is nothing, or too much
   */
  push(data: Uint8Array, timestamp: number): number {
    const ring = this.#ring;
    const count = Math.ceil(data.length / (ring.maxPayloadBytes - DESCRIPTOR_BYTES));
    if (count > ring.capacity / 2) {
      this.#refused += 1;
      return 0;
    }
    const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (let i = 0; i < count; i += 1) {
      const begin = Math.floor((i * data.length) / count);
      const end = Math.floor(((i + 1) * data.length) / count);
      const packet = ring.reserve();
      packet[RTP_HEADER_BYTES] = i === 0 ? START_OF_PARTITION : 0;
      frame.copy(packet, RTP_HEADER_BYTES + DESCRIPTOR_BYTES, begin, end);
      ring.commit(DESCRIPTOR_BYTES + end - begin, timestamp, i === count - 1);
    }
    return count;
  }
}
