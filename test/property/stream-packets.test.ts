import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { H264Packetiser } from '../../src/stream/h264-packetiser.js';
import { PacketRing } from '../../src/stream/packet-ring.js';
import { SenderReport, parseRtcp } from '../../src/stream/rtcp.js';
import { MAX_PAYLOAD_BYTES, RTP_HEADER_BYTES, readRtpHeader, writeRtpHeader } from '../../src/stream/rtp.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';

/** Puts NAL units together again from payloads, as a receiver does (RFC 6184, sections 5.6 and 5.8). */
function depacketise(payloads: Buffer[]): Buffer[] {
  const nals: Buffer[] = [];
  let parts: Buffer[] = [];
  for (const payload of payloads) {
    if ((payload[0]! & 0x1f) !== 28) {
      expect(parts).toEqual([]);
      nals.push(Buffer.from(payload));
      continue;
    }
    const [indicator, header] = [payload[0]!, payload[1]!];
    if ((header & 0x80) !== 0) {
      expect(parts).toEqual([]);
      parts.push(Buffer.from([(indicator & 0xe0) | (header & 0x1f)]));
    }
    expect(parts.length).toBeGreaterThan(0);
    parts.push(Buffer.from(payload.subarray(2)));
    if ((header & 0x40) !== 0) {
      nals.push(Buffer.concat(parts));
      parts = [];
    }
  }
  expect(parts).toEqual([]);
  return nals;
}

/** A NAL unit as an encoder writes it: no start code within, no zero at its end, no type of RFC 6184's own. */
const nalUnit = fc
  .tuple(
    fc.integer({ min: 1, max: 23 }),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 5000 }),
    fc.integer(),
  )
  .map(([type, importance, length, seed]) => {
    const nal = Buffer.alloc(length + 2);
    nal[0] = (importance << 5) | type;
    for (let i = 1, state = seed | 1; i < nal.length; i += 1) {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i;
      nal[i] = (state >>> 8) & 0xff;
      // Emulation prevention (H.264, section 7.4.1): never 00 00 followed by less than 4.
      if (i >= 3 && nal[i - 1] === 0 && nal[i - 2] === 0 && nal[i]! < 4) nal[i] = 4;
    }
    nal[nal.length - 1] = 0x80;
    return nal;
  });

describe('H264Packetiser', () => {
  it('gives back the same NAL units from packets that are not too long', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(nalUnit, fc.boolean()), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 64, max: MAX_PAYLOAD_BYTES }),
        fc.integer({ min: 0, max: 600 }),
        (nals, maxPayloadBytes, earlier) => {
          const ring = new PacketRing(4096, maxPayloadBytes);
          for (let i = 0; i < earlier; i += 1) ring.commit(1, 0, false);
          const codes = nals.flatMap(([nal, long]) => [Buffer.from(long ? [0, 0, 0, 1] : [0, 0, 1]), nal]);
          const count = new H264Packetiser(ring).push(Buffer.concat(codes), 7200);
          const payloads: Buffer[] = [];
          for (let i = ring.end - count; i < ring.end; i += 1) {
            expect(ring.marker(i)).toBe(i === ring.end - 1);
            expect(ring.timestamp(i)).toBe(7200);
            expect(ring.packet(i).length).toBeLessThanOrEqual(RTP_HEADER_BYTES + maxPayloadBytes);
            payloads.push(ring.packet(i).subarray(RTP_HEADER_BYTES));
          }
          expect(depacketise(payloads).map((nal) => nal.toString('hex'))).toEqual(
            nals.map(([nal]) => nal.toString('hex')),
          );
        },
      ),
    );
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (data) => {
        const ring = new PacketRing(64, 100);
        const count = new H264Packetiser(ring).push(data, 0);
        expect(count).toBeGreaterThanOrEqual(0);
        expect(count).toBeLessThanOrEqual(32);
      }),
    );
  });

  it('gives up what would push the history out, and counts it', () => {
    const packetiser = new H264Packetiser(new PacketRing(8, 100));
    expect(packetiser.push(Buffer.concat([Buffer.from([0, 0, 1]), Buffer.alloc(5000, 0x65)]), 0)).toBe(0);
    expect(packetiser.push(Buffer.from([0, 0, 1, 0x65, 0x88]), 0)).toBe(1);
    expect(packetiser.refused).toBe(1);
  });
});

describe('RTP headers', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.integer({ min: 0, max: 127 }),
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (marker, payloadType, sequence, timestamp, ssrc) => {
          const packet = Buffer.alloc(20);
          writeRtpHeader(packet, marker, payloadType, sequence, timestamp, ssrc);
          const read = { marker, payloadType, sequence, timestamp, ssrc, payloadOffset: 12, payloadEnd: 20 };
          expect(readRtpHeader(packet)).toEqual(read);
        },
      ),
    );
  });

  it('are read from any bytes without an exception, and never reach past the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        const header = readRtpHeader(data);
        if (header === null) return;
        expect(header.payloadOffset).toBeLessThanOrEqual(header.payloadEnd);
        expect(header.payloadEnd).toBeLessThanOrEqual(data.length);
      }),
    );
  });
});

describe('parseRtcp', () => {
  const nothing = {
    onReport: () => undefined,
    onNack: () => undefined,
    onPictureLoss: () => undefined,
    onBandwidth: () => undefined,
    onBye: () => undefined,
  };
  /** Random bytes hardly ever look like RTCP, so most of these have a plausible header. */
  const rtcpLike = fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 198, max: 208 }),
        fc.integer({ min: 0, max: 12 }),
        fc.uint8Array({ maxLength: 48 }),
      ),
      { maxLength: 5 },
    )
    .map((parts) =>
      Buffer.concat(
        parts.map(([first, type, words, body]) => Buffer.from([0x80 | (first & 0x3f), type, 0, words, ...body])),
      ),
    );

  it('never throws, and says so when something is malformed', () => {
    const bytes = fc.oneof(
      rtcpLike,
      fc.uint8Array({ maxLength: 200 }).map((data) => Buffer.from(data)),
    );
    fc.assert(
      fc.property(bytes, (data) => {
        expect(typeof parseRtcp(data, nothing)).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });

  it('hears every sequence number of a NACK', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }), (first, mask) => {
        const packet = Buffer.from([
          0x81,
          205,
          0,
          3,
          0,
          0,
          0,
          1,
          0,
          0,
          0,
          2,
          first >> 8,
          first & 255,
          mask >> 8,
          mask & 255,
        ]);
        const heard: number[] = [];
        expect(parseRtcp(packet, { ...nothing, onNack: (ssrc, sequence) => ssrc === 2 && heard.push(sequence) })).toBe(
          true,
        );
        const bits = Array.from({ length: 16 }, (_, i) => i).filter((i) => ((mask >> i) & 1) === 1);
        expect(heard).toEqual([first, ...bits.map((i) => (first + i + 1) & 0xffff)]);
      }),
    );
  });

  it('accepts our own sender reports, of whatever CNAME length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.double({ min: 0, max: 4e12, noNaN: true }), (length, wallMs) => {
        const report = new SenderReport(77, 'c'.repeat(length)).fill(wallMs, 1e12, 5, 6);
        expect(report.length % 4).toBe(0);
        expect(parseRtcp(report, nothing)).toBe(true);
        const seconds = report.readUInt32BE(8) + report.readUInt32BE(12) / 2 ** 32;
        const expected = (wallMs / 1000 + 2_208_988_800) % 2 ** 32;
        expect(Math.abs(seconds - expected)).toBeLessThan(0.001);
      }),
    );
  });
});

describe('checkOffer', () => {
  it('answers any text with an offer of one m-line, sdp_invalid or codec_unsupported', () => {
    const word = fc.constantFrom('v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0', 'a=mid:', 'a=rtpmap:96 H264/90000',
      'a=fmtp:96 packetization-mode=1', 'a=rtcp-mux', 'a=ice-ufrag:abcd', `a=ice-pwd:${'p'.repeat(22)}`, 'm=', 'a=recvonly',
      'a=fingerprint:sha-1', 'a=candidate:1', 'a=setup:active', 's=__proto__', 'a=group:BUNDLE'); // prettier-ignore
    const text = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }).map((lines) => ['v=0', ...lines].join('\r\n')),
    );
    fc.assert(
      fc.property(text, (sdp) => {
        try {
          expect(checkOffer(sdp).sdp.match(/^m=/gm)).toHaveLength(1);
        } catch (error) {
          expect(error).toBeInstanceOf(DhError);
          expect(['sdp_invalid', 'codec_unsupported']).toContain((error as DhError).code);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
