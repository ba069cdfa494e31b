/** One RTP packet, without its payload. */
interface TracedPacket {
  sequence: number;
  timestamp: number;
  keyFrame: boolean;
}

/** One access unit or sound packet as it came: all packets of a timestamp. */
export interface TracedUnit {
  /** RTP time, unwrapped: later ones are larger. */
  timestamp: number;
  keyFrame: boolean;
}

const NAL_IDR = 5;
const NAL_FU_A = 28;

/** What came of one RTP stream (RFC 3550, 6184): packets that are missing, and the units in their order. */
export class RtpTrace {
  readonly #packets: TracedPacket[] = [];

  add(packet: Buffer): void {
    const payloadType = packet.readUInt8(1) & 0x7f;
    // RTCP comes the same way (RFC 5761, section 4).
    if (payloadType >= 64 && payloadType < 96) return;
    const last = this.#packets.at(-1);
    const type = packet.readUInt8(12) & 0x1f;
    this.#packets.push({
      sequence: near(packet.readUInt16BE(2), last?.sequence, 2 ** 16),
      timestamp: near(packet.readUInt32BE(4), last?.timestamp, 2 ** 32),
      keyFrame: (type === NAL_FU_A ? packet.readUInt8(13) & 0x1f : type) === NAL_IDR,
    });
  }

  /** Packets so far: give it to `since`. */
  get length(): number {
    return this.#packets.length;
  }

  /** Units that begin at packet `from` or later, and how many packets are missing between them. */
  since(from: number): { units: TracedUnit[]; lost: number } {
    const packets = this.#packets.slice(from).sort((a, b) => a.sequence - b.sequence);
    const units: TracedUnit[] = [];
    let lost = 0;
    packets.forEach(({ sequence, timestamp, keyFrame }, i) => {
      const before = packets[i - 1];
      if (before) lost += Math.max(0, sequence - before.sequence - 1);
      const unit = units.at(-1);
      if (unit?.timestamp === timestamp) unit.keyFrame ||= keyFrame;
      else units.push({ timestamp, keyFrame });
    });
    return { units, lost };
  }
}

/** The number of the wrapped counter `value` that is nearest to `reference`. */
function near(value: number, reference: number | undefined, modulo: number): number {
  if (reference === undefined) return value;
  return value + modulo * Math.round((reference - value) / modulo);
}
