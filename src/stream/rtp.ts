/** The fixed part of an RTP header (RFC 3550, section 5.1): what is written here has no CSRCs and no extension. */
export const RTP_HEADER_BYTES = 12;
/** Payload of one packet: fits a path MTU of 1280 with IPv6, UDP, SRTP and the header. */
export const MAX_PAYLOAD_BYTES = 1180;

/** The two streams that a viewer gets. */
export type MediaKind = 'video' | 'audio';

/** How pictures can be encoded for a viewer. */
export type VideoCodec = 'h264' | 'vp8';

/** The fields of an RTP header that differ from viewer to viewer, and where its payload lies. */
export interface RtpHeader {
  marker: boolean;
  payloadType: number;
  /** 16 bits. */
  sequence: number;
  /** 32 bits, in units of the stream's clock. */
  timestamp: number;
  ssrc: number;
  /** First byte of the payload, behind CSRCs and extension. */
  payloadOffset: number;
  /** One behind the payload's last byte, padding taken off. */
  payloadEnd: number;
}

/** Writes the first 12 bytes of a packet in place; numbers are taken modulo their width. */
export function writeRtpHeader(
  packet: Uint8Array,
  marker: boolean,
  payloadType: number,
  sequence: number,
  timestamp: number,
  ssrc: number,
): void {
  packet[0] = 0x80;
  packet[1] = (marker ? 0x80 : 0) | (payloadType & 0x7f);
  packet[2] = sequence >>> 8;
  packet[3] = sequence;
  packet[4] = timestamp >>> 24;
  packet[5] = timestamp >>> 16;
  packet[6] = timestamp >>> 8;
  packet[7] = timestamp;
  packet[8] = ssrc >>> 24;
  packet[9] = ssrc >>> 16;
  packet[10] = ssrc >>> 8;
  packet[11] = ssrc;
}

/** Reads the header of any packet, with CSRCs, extension and padding; null when it is no RTP. Never throws. */
export function readRtpHeader(packet: Uint8Array): RtpHeader | null {
  const length = packet.length;
  if (length < RTP_HEADER_BYTES || packet[0]! >>> 6 !== 2) return null;
  const first = packet[0]!;
  const view = new DataView(packet.buffer, packet.byteOffset, length);
  let payloadOffset = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (payloadOffset + 4 > length) return null;
    payloadOffset += 4 + 4 * view.getUint16(payloadOffset + 2);
  }
  const padding = (first & 0x20) === 0 ? 0 : packet[length - 1]!;
  const payloadEnd = length - padding;
  if (payloadOffset > payloadEnd || ((first & 0x20) !== 0 && padding === 0)) return null;
  return {
    marker: (packet[1]! & 0x80) !== 0,
    payloadType: packet[1]! & 0x7f,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payloadOffset,
    payloadEnd,
  };
}
