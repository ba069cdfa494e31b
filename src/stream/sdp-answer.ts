import { isIP, isIPv4 } from 'node:net';
import * as sdpTransform from 'sdp-transform';
import type { MediaKind } from './rtp.js';
import type { CheckedOffer, OfferedMedia, OfferedStream } from './sdp-offer.js';

/** Which addresses the answer shows. */
export interface AnswerAddresses {
  /** The UDP port. */
  port: number;
  /** The address that the UDP port is bound to; `0.0.0.0` is all of IPv4, `::` all there are. */
  bindAddress: string;
  /** Shown instead of the machine's own addresses (behind NAT or a load balancer); IPv4 or IPv6, no name. */
  publicIp?: string | undefined;
}

/** How our streams are named in the answer. */
export interface AnswerStreams {
  ssrc: Record<MediaKind, number>;
  cname: string;
}

/** Priority of host candidates (RFC 8445, section 5.1.2.1), and how much each is below the one before it. */
const HOST_PRIORITY = 2_122_317_823;
const PRIORITY_STEP = 256;

/**
 * Makes the answer for the viewer. Only ICE credentials, the fingerprint, the DTLS role and the machine's addresses come
 * from the library's answer, which knows a single m-line; the m-lines are those of the offer: ours, both on that one
 * transport, and the others refused (port 0).
 * @param librarySdp the library's answer, gathering complete
 * @throws RangeError when `publicIp` is no address
 */
export function composeAnswer(
  librarySdp: string,
  offer: CheckedOffer,
  addresses: AnswerAddresses,
  streams: AnswerStreams,
): string {
  const library = sdpTransform.parse(librarySdp);
  const [line] = library.media;
  const fingerprint = line?.fingerprint ?? library.fingerprint;
  const shown = shownAddresses(line?.candidates ?? [], addresses);
  const transport = [
    `a=ice-ufrag:${line?.iceUfrag ?? library.iceUfrag}`,
    `a=ice-pwd:${line?.icePwd ?? library.icePwd}`,
    'a=ice-options:trickle',
    `a=fingerprint:${fingerprint?.type} ${fingerprint?.hash}`,
    `a=setup:${line?.setup ?? library.setup}`,
    ...shown.map(
      (ip, i) => `a=candidate:${i + 1} 1 UDP ${HOST_PRIORITY - i * PRIORITY_STEP} ${ip} ${addresses.port} typ host`,
    ),
    'a=end-of-candidates',
  ];
  const [first = '0.0.0.0'] = shown;
  const connection = `c=IN ${isIPv4(first) ? 'IP4' : 'IP6'} ${first}`;
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    ...(offer.bundle.length === 0 ? [] : [`a=group:BUNDLE ${offer.bundle.join(' ')}`]),
    'a=msid-semantic:WMS *',
  ];
  for (const offered of offer.media) {
    const kind = (['video', 'audio'] as const).find((one) => offer[one]?.mid === offered.mid);
    const body =
      kind !== undefined ? served(kind, offer[kind]!, streams) : offered.held !== null ? held(offered.held) : null;
    if (body === null) {
      lines.push(`m=${offered.type} 0 ${offered.protocol} ${offered.payloads.split(' ')[0]!}`, 'c=IN IP4 0.0.0.0');
      lines.push(`a=mid:${offered.mid}`, 'a=inactive');
    } else {
      lines.push(`m=${offered.type} ${addresses.port} ${offered.protocol} ${body.payloadType}`, connection);
      lines.push(`a=mid:${offered.mid}`, 'a=rtcp-mux', ...body.lines, ...transport);
    }
  }
  return `${lines.join('\r\n')}\r\n`;
}

interface Body {
  payloadType: number;
  lines: string[];
}

function served(kind: MediaKind, { payloadType, rtpmap, format }: OfferedStream, { ssrc, cname }: AnswerStreams): Body {
  const feedback = kind === 'video' ? ['nack', 'nack pli', 'goog-remb'] : [];
  return {
    payloadType,
    lines: [
      'a=sendonly',
      `a=rtpmap:${payloadType} ${rtpmap}`,
      ...feedback.map((type) => `a=rtcp-fb:${payloadType} ${type}`),
      ...(format === '' ? [] : [`a=fmtp:${payloadType} ${format}`]),
      `a=msid:dh-live ${kind}`,
      `a=ssrc:${ssrc[kind]} cname:${cname}`,
      `a=ssrc:${ssrc[kind]} msid:dh-live ${kind}`,
    ],
  };
}

function held({ payloadType, codec }: NonNullable<OfferedMedia['held']>): Body {
  return { payloadType, lines: ['a=inactive', `a=rtpmap:${payloadType} ${codec}`] };
}

/**
 * The addresses of the machine that lie on the bound one. A port that is bound to all of them is reachable from the
 * same machine as well, also when it has no network or is a container with a published port; Firefox, on the other
 * hand, does not connect to 127.0.0.1 alone.
 */
function shownAddresses(
  candidates: NonNullable<sdpTransform.MediaDescription['candidates']>,
  { bindAddress, publicIp }: AnswerAddresses,
): string[] {
  if (publicIp !== undefined) {
    if (isIP(publicIp) === 0) throw new RangeError(`"${publicIp}" is not an IP address`);
    return [publicIp];
  }
  if (bindAddress !== '0.0.0.0' && bindAddress !== '::') return [bindAddress];
  const own = candidates
    .filter(({ ip, type }) => type === 'host' && isIP(ip) !== 0 && (bindAddress === '::' || isIPv4(ip)))
    .map(({ ip }) => ip);
  return [...new Set([...own, '127.0.0.1'])];
}
