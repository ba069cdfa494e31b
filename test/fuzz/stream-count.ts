/** What came of one RTP stream so far. */
export interface StreamFigures {
  packets: number;
  /** Missing in the sequence numbers. */
  lost: number;
  /** Access units, or sound packets: different timestamps. */
  units: number;
  /** Units that are missing in the timestamps. */
  missingUnits: number;
  /** Longest time between two packets, in ms. */
  longestGapMs: number;
  /** Since the last packet, in ms. */
  silentMs: number;
}

/** What the good viewer says once a second. */
export interface WatchReport {
  state: string;
  audio: StreamFigures;
  video: StreamFigures;
  /** Datagrams that its own socket lost because the machine was busy; null: not known. */
  socketDrops: number | null;
}

/** Counts the packets and units of one RTP stream (RFC 3550, appendix A.1) without keeping them. */
export class StreamCount {
  readonly #ticksPerUnit: number;
  #packets = 0;
  #highest: number | null = null;
  #first = 0;
  #lastTimestamp: number | null = null;
  #units = 0;
  #missingUnits = 0;
  #lastAt: number | null = null;
  #longestGapMs = 0;

  /** @param ticksPerUnit RTP time from one unit to the next */
  constructor(ticksPerUnit: number) {
    this.#ticksPerUnit = ticksPerUnit;
  }

  add(packet: Buffer, atMs = performance.now()): void {
    const payloadType = packet.readUInt8(1) & 0x7f;
    // RTCP comes the same way (RFC 5761, section 4).
    if (payloadType >= 64 && payloadType < 96) return;
    const sequence = packet.readUInt16BE(2);
    if (this.#highest === null) this.#first = this.#highest = sequence;
    const ahead = (((sequence - this.#highest) & 0xffff) << 16) >> 16;
    this.#packets += 1;
    if (ahead > 0) this.#highest += ahead;
    if (this.#lastAt !== null) this.#longestGapMs = Math.max(this.#longestGapMs, atMs - this.#lastAt);
    this.#lastAt = atMs;
    this.#addUnit(packet.readUInt32BE(4));
  }

  figures(nowMs = performance.now()): StreamFigures {
    const expected = this.#highest === null ? 0 : this.#highest - this.#first + 1;
    return {
      packets: this.#packets,
      lost: expected - this.#packets,
      units: this.#units,
      missingUnits: this.#missingUnits,
      longestGapMs: Math.round(this.#longestGapMs),
      silentMs: Math.round(nowMs - (this.#lastAt ?? nowMs)),
    };
  }

  #addUnit(timestamp: number): void {
    const last = this.#lastTimestamp;
    const ticks = last === null ? this.#ticksPerUnit : (timestamp - last) | 0;
    if (ticks <= 0) return;
    this.#lastTimestamp = timestamp;
    this.#units += 1;
    this.#missingUnits += Math.round(ticks / this.#ticksPerUnit) - 1;
  }
}
