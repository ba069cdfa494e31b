import type { PacketRing } from './packet-ring.js';
import { RTP_HEADER_BYTES } from './rtp.js';

const FU_A = 28;
const FU_HEADER_BYTES = 2;

/**
 * First byte of the next start code 00 00 01 at or after `from`; -1 when there is none (Annex B of H.264).
 * A fourth zero before it belongs to nobody: zeros at a NAL unit's end are taken off.
 */
function findStartCode(data: Uint8Array, from: number): number {
  let i = from;
  const last = data.length - 3;
  while (i <= last) {
    const third = data[i + 2]!;
    if (third > 1) i += 3;
    else if (third === 1 && data[i] === 0 && data[i + 1] === 0) return i;
    else i += 1;
  }
  return -1;
}

/**
 * Cuts access units into RTP payloads (RFC 6184, packetization-mode 1): a NAL unit that fits goes alone, a bigger one
 * as FU-A fragments. They are written straight into the ring; nothing is kept between units.
 */
export class H264Packetiser {
  readonly #ring: PacketRing;
  #refused = 0;

  constructor(ring: PacketRing) {
    this.#ring = ring;
  }

  /** Access units that were longer than half of the ring, and therefore given up. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Writes the packets of one access unit; the last has the marker bit.
   * @param data Annex B byte stream; only read during the call
   * @param timestamp 90 kHz, from the stream's own zero
   * @returns how many packets were written; 0 when there is no NAL unit, or when the unit is too long: then what lies
   * in the ring of it is not to be sent
   */
  push(data: Uint8Array, timestamp: number): number {
    const unit = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const ring = this.#ring;
    const begin = ring.end;
    const limit = begin + Math.floor(ring.capacity / 2);
    let start = findStartCode(data, 0);
    while (start !== -1) {
      const next = findStartCode(data, start + 3);
      const end = next === -1 ? data.length : next;
      if (ring.end + (end - start) / (ring.maxPayloadBytes - FU_HEADER_BYTES) > limit) {
        this.#refused += 1;
        return 0;
      }
      this.#pushNal(unit, start + 3, end, timestamp);
      start = next;
    }
    if (ring.end > begin) ring.markLast();
    return ring.end - begin;
  }

  #pushNal(unit: Buffer, start: number, end: number, timestamp: number): void {
    const ring = this.#ring;
    while (end > start && unit[end - 1] === 0) end -= 1;
    const length = end - start;
    if (length <= 0) return;
    if (length <= ring.maxPayloadBytes) {
      unit.copy(ring.reserve(), RTP_HEADER_BYTES, start, end);
      ring.commit(length, timestamp, false);
      return;
    }
    const header = unit[start]!;
    const step = ring.maxPayloadBytes - FU_HEADER_BYTES;
    for (let at = start + 1; at < end; at += step) {
      const stop = Math.min(at + step, end);
      const packet = ring.reserve();
      packet[RTP_HEADER_BYTES] = (header & 0xe0) | FU_A;
      packet[RTP_HEADER_BYTES + 1] = (at === start + 1 ? 0x80 : 0) | (stop === end ? 0x40 : 0) | (header & 0x1f);
      unit.copy(packet, RTP_HEADER_BYTES + FU_HEADER_BYTES, at, stop);
      ring.commit(FU_HEADER_BYTES + stop - at, timestamp, false);
    }
  }
}
