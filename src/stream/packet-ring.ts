import { RTP_HEADER_BYTES } from './rtp.js';

/**
 * The last packets of one stream, in one block of memory that is allocated once. It is what is being sent and, for
 * as long as a packet stays in it, the history from which lost ones are sent again; all viewers share it.
 *
 * Packets are numbered from 0 and the number never wraps. Every packet begins with room for an RTP header, which each
 * viewer's stream fills in place just before sending: sending is synchronous, so one copy does for all.
 */
export class PacketRing {
  readonly #slots: number;
  readonly #whole: Buffer[];
  readonly #views: Buffer[];
  readonly #timestamps: Float64Array;
  readonly #markers: Uint8Array;
  #end = 0;

  /** Capacity in packets, at least 2; the oldest is overwritten. */
  readonly capacity: number;
  /** Bytes of payload that a packet can hold. */
  readonly maxPayloadBytes: number;

  constructor(capacity: number, maxPayloadBytes: number) {
    if (!Number.isInteger(capacity) || capacity < 2) throw new RangeError(`capacity of ${capacity} packets`);
    const slotBytes = RTP_HEADER_BYTES + maxPayloadBytes;
    const memory = Buffer.alloc(capacity * slotBytes);
    this.capacity = this.#slots = capacity;
    this.maxPayloadBytes = maxPayloadBytes;
    this.#whole = Array.from({ length: capacity }, (_, i) => memory.subarray(i * slotBytes, (i + 1) * slotBytes));
    this.#views = [...this.#whole];
    this.#timestamps = new Float64Array(capacity);
    this.#markers = new Uint8Array(capacity);
  }

  /** Number of the next packet. */
  get end(): number {
    return this.#end;
  }

  /** Memory held, for the registry of pools. */
  get bytes(): number {
    return this.#slots * (RTP_HEADER_BYTES + this.maxPayloadBytes + 9);
  }

  /** The memory of the next packet, header first; the payload is to be written from byte 12, then `commit`. */
  reserve(): Buffer {
    return this.#whole[this.#end % this.#slots]!;
  }

  /**
   * Makes the reserved memory a packet.
   * @param timestamp in units of the stream's clock, from the stream's own zero (not wrapped)
   */
  commit(payloadBytes: number, timestamp: number, marker: boolean): void {
    const slot = this.#end % this.#slots;
    const length = RTP_HEADER_BYTES + payloadBytes;
    // Nearly all packets of a picture have the same length, so the view of the slot's last packet mostly fits.
    if (this.#views[slot]!.length !== length) this.#views[slot] = this.#whole[slot]!.subarray(0, length);
    this.#timestamps[slot] = timestamp;
    this.#markers[slot] = marker ? 1 : 0;
    this.#end += 1;
  }

  /** Sets the marker bit of the newest packet. */
  markLast(): void {
    if (this.#end > 0) this.#markers[(this.#end - 1) % this.#slots] = 1;
  }

  /** Whether the packet of this number is still there. */
  has(index: number): boolean {
    return index >= 0 && index < this.#end && index >= this.#end - this.#slots;
  }

  /** Header and payload of a packet that `has`; valid until it is overwritten. */
  packet(index: number): Buffer {
    return this.#views[index % this.#slots]!;
  }

  timestamp(index: number): number {
    return this.#timestamps[index % this.#slots]!;
  }

  marker(index: number): boolean {
    return this.#markers[index % this.#slots] === 1;
  }
}
