/** Packet types (RFC 3550, RFC 4585). */
const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const BYE = 203;
const TRANSPORT_FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;

const REMB = 0x52454d42;
const NTP_EPOCH_S = 2_208_988_800;
const TWO_32 = 4_294_967_296;

/** What a viewer may say. Every SSRC is the one of our stream that is meant. */
export interface RtcpHandler {
  /** Report block (RFC 3550, section 6.4.1). `fractionLost` 0…255; `lastSr`, `delaySinceLastSr` in 1/65536 s. */
  onReport(ssrc: number, fractionLost: number, lastSr: number, delaySinceLastSr: number): void;
  /** One lost packet (RFC 4585, section 6.2.1). */
  onNack(ssrc: number, sequence: number): void;
  /** The picture is broken: PLI (RFC 4585, section 6.3.1) or FIR (RFC 5104, section 4.3.1). */
  onPictureLoss(ssrc: number): void;
  /** The viewer's estimate of its bandwidth (draft-alvestrand-rmcat-remb). */
  onBandwidth(bitsPerS: number): void;
  onBye(): void;
}

/** Whether a packet of a port that RTP and RTCP share is RTCP (RFC 5761, section 4). */
export function isRtcp(packet: Uint8Array): boolean {
  return packet.length >= 8 && packet[1]! >= 192 && packet[1]! <= 223;
}

/**
 * Reads a compound packet from a stranger. Calls the handler for each part that is whole, up to the first that is not.
 * Never throws by itself and allocates nothing.
 * @returns false when something was malformed
 */
export function parseRtcp(data: Buffer, handler: RtcpHandler): boolean {
  let at = 0;
  while (at < data.length) {
    if (data.length - at < 4 || data[at]! >>> 6 !== 2) return false;
    const end = at + 4 + 4 * data.readUInt16BE(at + 2);
    if (end > data.length) return false;
    const padded = (data[at]! & 0x20) !== 0;
    const padding = padded ? data[end - 1]! : 0;
    const bodyEnd = end - padding;
    if (bodyEnd < at + 4 || (padded && padding === 0)) return false;
    if (!parsePart(data, at, bodyEnd, handler)) return false;
    at = end;
  }
  return data.length > 0;
}

function parsePart(data: Buffer, at: number, end: number, handler: RtcpHandler): boolean {
  const count = data[at]! & 0x1f;
  const type: number = data[at + 1]!;
  switch (type) {
    case SENDER_REPORT:
      return parseReports(data, at + 28, end, count, handler);
    case RECEIVER_REPORT:
      return parseReports(data, at + 8, end, count, handler);
    case BYE:
      if (end - at < 4 + 4 * count) return false;
      handler.onBye();
      return true;
    case TRANSPORT_FEEDBACK:
      return parseTransportFeedback(data, at, end, count, handler);
    case PAYLOAD_FEEDBACK:
      return parsePayloadFeedback(data, at, end, count, handler);
    default:
      // SDES, APP, XR and what comes after them are nothing to a sender.
      return true;
  }
}

function parseReports(data: Buffer, first: number, end: number, count: number, handler: RtcpHandler): boolean {
  if (end < first + 24 * count) return false;
  for (let i = 0, at = first; i < count; i += 1, at += 24) {
    handler.onReport(data.readUInt32BE(at), data[at + 4]!, data.readUInt32BE(at + 16), data.readUInt32BE(at + 20));
  }
  return true;
}

function parseTransportFeedback(data: Buffer, at: number, end: number, format: number, handler: RtcpHandler): boolean {
  if (end - at < 12) return false;
  if (format !== 1) return true;
  const ssrc = data.readUInt32BE(at + 8);
  for (let item = at + 12; item + 4 <= end; item += 4) {
    const sequence = data.readUInt16BE(item);
    handler.onNack(ssrc, sequence);
    for (let mask = data.readUInt16BE(item + 2), bit = 1; mask !== 0; mask >>>= 1, bit += 1) {
      if ((mask & 1) !== 0) handler.onNack(ssrc, (sequence + bit) & 0xffff);
    }
  }
  return true;
}

function parsePayloadFeedback(data: Buffer, at: number, end: number, format: number, handler: RtcpHandler): boolean {
  if (end - at < 12) return false;
  if (format === 1) handler.onPictureLoss(data.readUInt32BE(at + 8));
  if (format === 4) {
    if ((end - at - 12) % 8 !== 0) return false;
    for (let item = at + 12; item < end; item += 8) handler.onPictureLoss(data.readUInt32BE(item));
  }
  if (format === 15 && end - at >= 20 && data.readUInt32BE(at + 12) === REMB) {
    const exponent = data[at + 17]! >>> 2;
    const mantissa = ((data[at + 17]! & 3) << 16) | data.readUInt16BE(at + 18);
    handler.onBandwidth(mantissa * 2 ** exponent);
  }
  return true;
}

/**
 * The middle 32 bits of an NTP time (RFC 3550, section 4), as reports carry it: 16.16 seconds.
 * @param wallMs milliseconds since 1970
 */
export function ntpMiddle(wallMs: number): number {
  return (((wallMs / 1000 + NTP_EPOCH_S) * 65_536) % TWO_32) >>> 0;
}

/**
 * The sender report and the source description of one stream: one compound packet in memory that is made once and
 * filled again for every report (RFC 3550, sections 6.4.1 and 6.5).
 */
export class SenderReport {
  /** The compound packet; overwritten by the next `fill`. */
  readonly packet: Buffer;

  /** @param cname at most 255 bytes of ASCII; the same for the streams that are to be played in step */
  constructor(ssrc: number, cname: string) {
    if (cname.length > 255) throw new RangeError('CNAME of more than 255 bytes');
    // Chunk: SSRC, one item, one to four zeros up to the next 32 bits.
    const chunkBytes = 4 + Math.ceil((2 + cname.length + 1) / 4) * 4;
    const packet = Buffer.alloc(28 + 4 + chunkBytes);
    packet.writeUInt8(0x80, 0);
    packet.writeUInt8(SENDER_REPORT, 1);
    packet.writeUInt16BE(6, 2);
    packet.writeUInt32BE(ssrc, 4);
    packet.writeUInt8(0x81, 28);
    packet.writeUInt8(SOURCE_DESCRIPTION, 29);
    packet.writeUInt16BE(chunkBytes / 4, 30);
    packet.writeUInt32BE(ssrc, 32);
    packet.writeUInt8(1, 36);
    packet.writeUInt8(cname.length, 37);
    packet.write(cname, 38, 'latin1');
    this.packet = packet;
  }

  /**
   * @param wallMs now, in milliseconds since 1970
   * @param rtpTimestamp of the media that is due now, modulo 2^32
   */
  fill(wallMs: number, rtpTimestamp: number, packets: number, payloadBytes: number): Buffer {
    const seconds = Math.floor(wallMs / 1000);
    const packet = this.packet;
    packet.writeUInt32BE((seconds + NTP_EPOCH_S) % TWO_32, 8);
    packet.writeUInt32BE(Math.min(TWO_32 - 1, Math.floor((wallMs / 1000 - seconds) * TWO_32)), 12);
    packet.writeUInt32BE(rtpTimestamp >>> 0, 16);
    packet.writeUInt32BE(packets >>> 0, 20);
    packet.writeUInt32BE(payloadBytes >>> 0, 24);
    return packet;
  }
}
