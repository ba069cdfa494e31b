import type { PacketRing } from './packet-ring.js';
import { SenderReport, ntpMiddle } from './rtcp.js';
import { RTP_HEADER_BYTES, writeRtpHeader } from './rtp.js';

/** A viewer may ask again for as many packets as it was sent lately, so that asking cannot multiply the traffic. */
const MAX_RESEND_CREDIT = 512;
const REPORT_INTERVAL_MS = 1000;
/** How much faster than they were made a viewer is to show the pictures that it catches up on. */
const CATCH_UP_SPEED = 40;

/** What is the viewer's own of a stream: everything in an RTP header. */
export interface OutgoingStreamOptions {
  ring: PacketRing;
  /** Sends one packet; false: it was dropped. */
  send: (packet: Buffer) => boolean;
  payloadType: number;
  ssrc: number;
  /** Random: sequence number of the first packet (16 bits), RTP time of the stream's zero (32 bits). */
  firstSequence: number;
  timestampOffset: number;
  clockRate: number;
  cname: string;
}

/** One stream on its way to one viewer. Holds no packets, only which of the shared ring's had which sequence number. */
export class OutgoingStream {
  readonly #options: OutgoingStreamOptions;
  readonly #report: SenderReport;
  /** Ring number by sequence number; its length is a power of two, so it goes on over the wrap at 65536. */
  readonly #indexes: Float64Array;
  readonly #mask: number;
  #sequence: number;
  #credit = 0;
  #lastReportMs = -Infinity;
  /** Ring number and time of the last packet of a catch-up. */
  #caughtUpTo = -1;
  #caughtUpTimestamp = 0;

  readonly ssrc: number;
  packets = 0;
  payloadBytes = 0;
  retransmitted = 0;
  /** What the network or the socket did not take. */
  refused = 0;
  /** From the viewer's last report; null before the first. */
  rttMs: number | null = null;
  lossFraction: number | null = null;

  constructor(options: OutgoingStreamOptions) {
    this.#options = options;
    this.#report = new SenderReport(options.ssrc, options.cname);
    const size = Math.min(65_536, 2 ** Math.ceil(Math.log2(options.ring.capacity)));
    this.#indexes = new Float64Array(size);
    this.#mask = size - 1;
    this.#sequence = options.firstSequence & 0xffff;
    this.ssrc = options.ssrc >>> 0;
  }

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.#indexes.byteLength;
  }

  /** Sends packet `index` of the ring. One that was not taken uses no number, so that nobody asks for it again. */
  send(index: number): boolean {
    const { ring } = this.#options;
    const packet = ring.packet(index);
    this.#writeHeader(packet, index, this.#sequence);
    if (!this.#options.send(packet)) {
      this.refused += 1;
      return false;
    }
    this.#indexes[this.#sequence & this.#mask] = index;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.packets += 1;
    this.payloadBytes += packet.length - RTP_HEADER_BYTES;
    if (this.#credit < MAX_RESEND_CREDIT) this.#credit += 1;
    return true;
  }

  /**
   * Sends packets of the ring that went out before this viewer came, `begin` included, `end` not. Their RTP times are
   * pressed together towards the last one: at its own pace a browser would show them, and all that follow, as late as
   * the first of them is old.
   * @returns false when one was not taken; the rest is not sent then
   */
  catchUp(begin: number, end: number): boolean {
    this.#caughtUpTo = end - 1;
    this.#caughtUpTimestamp = this.#options.ring.timestamp(end - 1);
    for (let index = begin; index < end; index += 1) if (!this.send(index)) return false;
    return true;
  }

  /** Sends a packet again as it was (RFC 4585); false when it is gone, was never sent, or too much was asked. */
  resend(sequence: number): boolean {
    const { ring } = this.#options;
    const age = (this.#sequence - 1 - sequence) & 0xffff;
    if (age > this.#mask || age >= this.packets || this.#credit <= 0) return false;
    const index = this.#indexes[sequence & this.#mask]!;
    if (!ring.has(index)) return false;
    const packet = ring.packet(index);
    this.#writeHeader(packet, index, sequence);
    this.#credit -= 1;
    if (!this.#options.send(packet)) return false;
    this.retransmitted += 1;
    return true;
  }

  /**
   * Sends a sender report if the last one is a second old. It says which RTP time is due now, by the sample clock, not
   * when a packet happened to leave: what delays one stream more than the other must not become lip-sync error.
   * @param wallMs now, milliseconds since 1970
   * @param originWallMs when the stream's zero was due
   */
  reportIfDue(wallMs: number, originWallMs: number): void {
    if (this.packets === 0 || wallMs - this.#lastReportMs < REPORT_INTERVAL_MS) return;
    this.#lastReportMs = wallMs;
    const { clockRate, timestampOffset, send } = this.#options;
    const due = Math.round(((wallMs - originWallMs) / 1000) * clockRate) + timestampOffset;
    send(this.#report.fill(wallMs, due, this.packets, this.payloadBytes));
  }

  /** Takes a report block of the viewer. @param wallMs now, milliseconds since 1970 */
  takeReport(fractionLost: number, lastSr: number, delaySinceLastSr: number, wallMs: number): void {
    this.lossFraction = fractionLost / 256;
    if (lastSr === 0) return;
    const rtt = (ntpMiddle(wallMs) - lastSr - delaySinceLastSr) >>> 0;
    // Clocks of different grain can make a short way come out below zero, which is above 2^31 here.
    if (rtt < 65_536 * 60) this.rttMs = (rtt / 65_536) * 1000;
    else if (rtt > 0xffff_ffff - 655) this.rttMs = 0;
  }

  #writeHeader(packet: Buffer, index: number, sequence: number): void {
    const { ring, payloadType, timestampOffset } = this.#options;
    let timestamp = ring.timestamp(index);
    if (index <= this.#caughtUpTo) timestamp += (this.#caughtUpTimestamp - timestamp) * (1 - 1 / CATCH_UP_SPEED);
    writeRtpHeader(
      packet,
      ring.marker(index),
      payloadType,
      sequence,
      (Math.round(timestamp) + timestampOffset) % 4_294_967_296,
      this.ssrc,
    );
  }
}
