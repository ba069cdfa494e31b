import * as sdpTransform from 'sdp-transform';
import { DhError } from '../errors.js';
import type { MediaKind, VideoCodec } from './rtp.js';

/** Limits of an offer. What browsers, OBS, GStreamer and ffmpeg send stays far below. */
export const SDP_LIMITS = { bytes: 32 * 1024, lines: 500, lineBytes: 1024, media: 8 } as const;

/** One m-line of the offer, at its position. */
export interface OfferedMedia {
  /** `audio`, `video`, `application`, … */
  type: string;
  protocol: string;
  /** The format list as it was offered; an answer that refuses the line repeats its first entry. */
  payloads: string;
  mid: string;
  /**
   * Set for a line that carries none of our streams but owns the transport of the BUNDLE group: refused, it would take
   * the others along (RFC 9143, section 7.3), so the answer accepts it with this format and makes it inactive.
   */
  held: { payloadType: number; codec: string } | null;
}

/** A stream that the viewer is ready to receive. */
export interface OfferedStream {
  mid: string;
  payloadType: number;
  /** As `a=rtpmap` names the codec. */
  rtpmap: string;
  /** Format parameters for the answer, without the payload type; empty: none. */
  format: string;
}

/** The video stream that the viewer is ready to receive. */
export interface OfferedVideo extends OfferedStream {
  codec: VideoCodec;
}

/** What is left of an offer after the check. */
export interface CheckedOffer {
  /**
   * An offer of our own making, with nothing in it that was not checked and no candidates; for libdatachannel. It has
   * one m-line, whatever the viewer offered: with more, the library reads RTCP to find the track that is meant, and a
   * malformed packet hangs it. One line is enough, because SRTP protects every SSRC of the transport.
   */
  sdp: string;
  /** The stream whose m-line that is. */
  carrier: MediaKind;
  /** H.264 in packetization-mode 1, or VP8 when there is none; null when the viewer takes no video. */
  video: OfferedVideo | null;
  /** Opus; null when the viewer takes no sound. */
  audio: OfferedStream | null;
  /** All m-lines in their order; those that are neither of the two above nor held are refused in the answer. */
  media: OfferedMedia[];
  /** Mids for `a=group:BUNDLE` of the answer, the owner of the transport first; empty when the offer has no group. */
  bundle: string[];
}

type Media = sdpTransform.MediaDescription;

interface Transport {
  ufrag: string;
  pwd: string;
  fingerprint: string;
  setup: string;
}

const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
const MID = /^[A-Za-z0-9_.~+-]{1,32}$/;
const TOKEN = /^[A-Za-z0-9/._-]{1,32}$/;
const CODEC_NAME = /^[A-Za-z0-9._-]{1,32}$/;
const PAYLOADS = /^[A-Za-z0-9 ._-]{1,512}$/;
const PROFILE = /^[0-9a-fA-F]{6}$/;
const HASH = /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*$/;
const HASH_BYTES: Record<string, number> = { 'sha-1': 20, 'sha-224': 28, 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 };

function invalid(reason: string, cause?: unknown): DhError {
  return new DhError('sdp_invalid', `The SDP offer cannot be used: ${reason}.`, {
    hint: 'Send the offer of a WHEP player: H.264 or VP8 video, Opus audio, recvonly or sendrecv.',
    cause,
  });
}

/**
 * Checks a WHEP offer from a stranger and makes a new one from what was found good in it, so that nothing unchecked
 * reaches the native library. The viewer's candidates are left out: the peer-reflexive one, which its first packet
 * shows, is enough, and nobody can have packets sent to others or names resolved.
 * @throws DhError `sdp_invalid` with the reason; `codec_unsupported` when it takes neither of our codecs
 */
export function checkOffer(sdp: string): CheckedOffer {
  checkShape(sdp);
  let session: sdpTransform.SessionDescription;
  try {
    session = sdpTransform.parse(sdp);
  } catch (error) {
    throw invalid('it cannot be parsed', error);
  }
  const media = checkMedia(session.media);
  const receiving = receivingLines(session, media);
  const video: OfferedVideo | null =
    findStream(session.media, receiving, 'video', h264Of) ?? findStream(session.media, receiving, 'video', vp8Of);
  const audio = findStream(session.media, receiving, 'audio', opusOf);
  if (video === null && audio === null) {
    if (receiving.size === 0) throw invalid('no m-line of it receives video or audio');
    throw new DhError('codec_unsupported', 'The offer takes neither H.264 (packetization-mode=1), VP8 nor Opus.', {
      hint: 'Video is sent as H.264 or VP8, sound as Opus: watch with a browser that has one of them.',
    });
  }
  if (video !== null && video.payloadType === audio?.payloadType) throw invalid('payload types are not unique');
  const carrier = audio === null || (video !== null && isBefore(media, video, audio)) ? 'video' : 'audio';
  const served = [video, audio].flatMap((stream) => stream?.mid ?? []);
  const { bundle, owner } = checkBundle(session, media, served);
  return {
    sdp: compose(checkTransport(session, session.media[owner]!), carrier, (carrier === 'video' ? video : audio)!),
    ...{ carrier, video, audio, media, bundle },
  };
}

function isBefore(media: OfferedMedia[], a: OfferedStream, b: OfferedStream): boolean {
  const indexOf = ({ mid }: OfferedStream) => media.findIndex((line) => line.mid === mid);
  return indexOf(a) < indexOf(b);
}

/**
 * Finds the line whose transport is used, and marks it as held if it carries no stream (RFC 9143, section 7.3.3).
 * @param served mids of the lines that carry a stream
 * @returns the mids of the answer's group, and the index of the line whose ICE and DTLS attributes count
 */
function checkBundle(
  session: sdpTransform.SessionDescription,
  media: OfferedMedia[],
  served: string[],
): { bundle: string[]; owner: number } {
  const groups = (session.groups ?? []).filter(({ type }) => type === 'BUNDLE');
  const group = groups.map(({ mids }) => String(mids).split(' ')).find((mids) => mids.includes(served[0]!));
  if (served.length > 1 && !served.every((mid) => group?.includes(mid))) {
    throw invalid('its audio and video are not in one BUNDLE group');
  }
  const inOrder = media.map(({ mid }) => mid).filter((mid) => served.includes(mid));
  const indexOf = (mid: string) => media.findIndex((line) => line.mid === mid);
  if (group === undefined) return { bundle: [], owner: indexOf(inOrder[0]!) };
  const [tag = ''] = group;
  if (served.includes(tag)) {
    return { bundle: [tag, ...inOrder.filter((mid) => mid !== tag)], owner: indexOf(tag) };
  }
  const line = session.media[indexOf(tag)];
  const held = line === undefined ? null : heldFormat(line);
  if (held !== null) {
    media[indexOf(tag)]!.held = held;
    return { bundle: [tag, ...inOrder], owner: indexOf(tag) };
  }
  const owner = session.media.findIndex(({ port }, i) => inOrder.includes(media[i]!.mid) && port !== 0);
  if (owner === -1) throw invalid('the first m-line of its BUNDLE group is not for audio or video');
  const own = media[owner]!.mid;
  return { bundle: [own, ...inOrder.filter((mid) => mid !== own)], owner };
}

/** A format with which a line that is not served can be accepted; null when it has none. */
function heldFormat(line: Media): OfferedMedia['held'] {
  if (!isRtp(line) || line.port === 0 || line.rtcpMux === undefined) return null;
  const usable = line.rtp.filter(
    ({ payload, codec, rate }) =>
      usablePayload(line, payload) && CODEC_NAME.test(String(codec)) && Number.isInteger(rate) && !/^rtx$/i.test(codec),
  );
  const [found] = usable;
  if (found === undefined) return null;
  const channels = String(found.encoding) === '2' ? '/2' : '';
  return { payloadType: found.payload, codec: `${found.codec}/${found.rate}${channels}` };
}

function checkShape(sdp: string): void {
  if (typeof sdp !== 'string' || sdp.trim() === '') throw invalid('it is empty');
  if (Buffer.byteLength(sdp) > SDP_LIMITS.bytes) throw invalid(`it is longer than ${SDP_LIMITS.bytes} bytes`);
  const lines = sdp.split(/\r\n|\r|\n/);
  if (lines.length > SDP_LIMITS.lines) throw invalid(`it has more than ${SDP_LIMITS.lines} lines`);
  if (lines.some((line) => line.length > SDP_LIMITS.lineBytes)) {
    throw invalid(`a line is longer than ${SDP_LIMITS.lineBytes} bytes`);
  }
  if (!lines[0]!.startsWith('v=0')) throw invalid('it does not begin with v=0');
  const count = lines.filter((line) => line.startsWith('m=')).length;
  if (count === 0) throw invalid('it has no m-line');
  if (count > SDP_LIMITS.media) throw invalid(`it has more than ${SDP_LIMITS.media} m-lines`);
}

function checkMedia(lines: Media[]): OfferedMedia[] {
  const mids = new Set<string>();
  return lines.map((line) => {
    const mid = line.mid === undefined ? '' : String(line.mid);
    if (!MID.test(mid)) throw invalid('the mid of an m-line is missing, too long or has odd characters');
    if (mids.has(mid)) throw invalid('two m-lines have the same mid');
    mids.add(mid);
    const type = String(line.type);
    const protocol = String(line.protocol);
    const payloads = String(line.payloads ?? '');
    if (!TOKEN.test(type) || !TOKEN.test(protocol) || !PAYLOADS.test(payloads)) throw invalid('an m-line is malformed');
    return { type, protocol, payloads, mid, held: null };
  });
}

function isRtp(line: Media): boolean {
  return (line.type === 'audio' || line.type === 'video') && /^(UDP\/TLS\/)?RTP\/SAVPF$/.test(String(line.protocol));
}

/** Lines that are ready to receive, by their index, with their mids. */
function receivingLines(session: sdpTransform.SessionDescription, media: OfferedMedia[]): Map<number, string> {
  const receiving = new Map<number, string>();
  for (const [i, line] of session.media.entries()) {
    const direction = line.direction ?? session.direction ?? 'sendrecv';
    if (!isRtp(line) || (line.port === 0 && line.bundleOnly === undefined)) continue;
    if (direction === 'recvonly' || direction === 'sendrecv') receiving.set(i, media[i]!.mid);
  }
  return receiving;
}

/** The first of the receiving m-lines of a kind that can carry our stream. */
function findStream<T>(
  lines: Media[],
  receiving: Map<number, string>,
  type: MediaKind,
  formatOf: (line: Media) => T | null,
): (T & { mid: string }) | null {
  for (const [i, mid] of receiving) {
    const line = lines[i]!;
    const format = line.type === type ? formatOf(line) : null;
    if (format === null) continue;
    if (line.rtcpMux === undefined) throw invalid('a=rtcp-mux is missing');
    return { mid, ...format };
  }
  return null;
}

/** Payload types of RTP that share a port with RTCP (RFC 5761, section 4). */
function usablePayload(line: Media, payload: unknown): payload is number {
  return (
    Number.isInteger(payload) &&
    (payload as number) >= 0 &&
    (payload as number) <= 127 &&
    ((payload as number) < 64 || (payload as number) > 95) &&
    String(line.payloads).split(' ').includes(String(payload))
  );
}

/**
 * How well a profile fits a stream in constrained baseline: that itself, then baseline, main, high, whose decoders
 * read it too (H.264, annex A.2).
 */
function profileRank(profile: string): number {
  const [idc, constraints] = [profile.slice(0, 2).toLowerCase(), Number.parseInt(profile.slice(2, 4), 16)];
  if (idc === '42') return (constraints & 0x40) !== 0 ? 0 : 1;
  return idc === '4d' ? 2 : idc === '64' ? 3 : 4;
}

function h264Of(line: Media): Omit<OfferedVideo, 'mid'> | null {
  let best: Omit<OfferedVideo, 'mid'> | null = null;
  let bestRank = 4;
  for (const { payload, codec, rate } of line.rtp) {
    if (String(codec).toUpperCase() !== 'H264' || rate !== 90_000 || !usablePayload(line, payload)) continue;
    const config = line.fmtp.find((fmtp) => fmtp.payload === payload)?.config;
    const parameters = sdpTransform.parseParams(String(config ?? ''));
    if (String(parameters['packetization-mode']) !== '1') continue;
    // Without the parameter the profile is plain baseline (RFC 6184, section 8.1).
    const profile = /(?:^|;)\s*profile-level-id=([^;\s]*)/i.exec(String(config))?.[1] ?? '420010';
    if (!PROFILE.test(profile) || profileRank(profile) >= bestRank) continue;
    bestRank = profileRank(profile);
    best = {
      codec: 'h264',
      payloadType: payload,
      rtpmap: 'H264/90000',
      format: `level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=${profile.toLowerCase()}`,
    };
  }
  return best;
}

function vp8Of(line: Media): Omit<OfferedVideo, 'mid'> | null {
  const found = line.rtp.find(
    ({ payload, codec, rate }) =>
      String(codec).toUpperCase() === 'VP8' && rate === 90_000 && usablePayload(line, payload),
  );
  if (found === undefined) return null;
  return { codec: 'vp8', payloadType: found.payload, rtpmap: 'VP8/90000', format: '' };
}

function opusOf(line: Media): Omit<OfferedStream, 'mid'> | null {
  const found = line.rtp.find(
    ({ payload, codec, rate }) =>
      String(codec).toLowerCase() === 'opus' && rate === 48_000 && usablePayload(line, payload),
  );
  if (found === undefined) return null;
  return { payloadType: found.payload, rtpmap: 'opus/48000/2', format: 'minptime=10;useinbandfec=1' };
}

function checkTransport(session: sdpTransform.SessionDescription, line: Media): Transport {
  const ufrag = String(line.iceUfrag ?? session.iceUfrag ?? '');
  const pwd = String(line.icePwd ?? session.icePwd ?? '');
  const { type = '', hash = '' } = line.fingerprint ?? session.fingerprint ?? {};
  const setup = String(line.setup ?? session.setup ?? 'actpass');
  if (!ICE_UFRAG.test(ufrag)) throw invalid('a=ice-ufrag is missing or malformed');
  if (!ICE_PWD.test(pwd)) throw invalid('a=ice-pwd is missing or malformed');
  const algorithm = String(type).toLowerCase();
  const bytes = Object.hasOwn(HASH_BYTES, algorithm) ? HASH_BYTES[algorithm]! : -1;
  if (!HASH.test(String(hash)) || String(hash).length !== bytes * 3 - 1) {
    throw invalid('a=fingerprint is missing or malformed');
  }
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') throw invalid('a=setup is unknown');
  return {
    ...{ ufrag, pwd, fingerprint: `${algorithm} ${String(hash).toUpperCase()}` },
    // With the viewer as DTLS client, browsers settle on AES-GCM, which costs less per packet than AES-CM with SHA-1.
    setup: setup === 'actpass' ? 'active' : setup,
  };
}

function compose(transport: Transport, kind: MediaKind, stream: OfferedStream): string {
  const { mid, payloadType, rtpmap, format } = stream;
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${mid}`,
    'a=ice-options:trickle',
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.pwd}`,
    `a=fingerprint:${transport.fingerprint}`,
    `a=setup:${transport.setup}`,
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    // See `peer.ts`: the track receives as well.
    'a=sendrecv',
    'a=rtcp-mux',
    `a=rtpmap:${payloadType} ${rtpmap}`,
    ...(format === '' ? [] : [`a=fmtp:${payloadType} ${format}`]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}
