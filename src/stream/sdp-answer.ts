import { isIP, isIPv4 } from 'node:net';
import * as sdpTransform from 'sdp-transform';
import type { CheckedOffer } from './sdp-offer.js';

/** Which addresses the answer shows. */
export interface AnswerAddresses {
  /** The address that the UDP port is bound to; `0.0.0.0` is all of IPv4, `::` all there are. */
  bindAddress: string;
  /** Shown instead of the machine's own addresses (behind NAT or a load balancer); IPv4 or IPv6, no name. */
  publicIp?: string;
}

type Candidate = NonNullable<sdpTransform.MediaDescription['candidates']>[number];

/**
 * Makes the answer for the viewer from the library's: only the addresses that it is to see, and the m-lines that were
 * kept from the library put back, refused (port 0), so that the answer has as many as the offer.
 * @param sdp the library's answer, gathering complete
 * @throws RangeError when `publicIp` is no address
 */
export function rewriteAnswer(sdp: string, offer: CheckedOffer, addresses: AnswerAddresses): string {
  const { bindAddress, publicIp } = addresses;
  if (publicIp !== undefined && isIP(publicIp) === 0) throw new RangeError(`"${publicIp}" is not an IP address`);
  const answer = sdpTransform.parse(sdp);
  const own = answer.media.flatMap(({ candidates }) => candidates ?? []);
  const shown =
    publicIp === undefined ? reachable(own, bindAddress) : [relabel(own[0], publicIp)].flatMap((c) => c ?? []);
  const byMid = new Map(answer.media.map((line) => [String(line.mid), line]));
  answer.media = offer.media.map((offered) => {
    const line = byMid.get(offered.mid);
    return line === undefined ? refuse(offered) : show(line, shown);
  });
  // Only BUNDLE means something to the viewer; the library's lip-sync group would name refused lines as well.
  answer.groups = (answer.groups ?? []).filter(({ type }) => type === 'BUNDLE');
  return sdpTransform.write(answer);
}

/**
 * The host candidates over UDP that lie on the bound address. A port that is bound to all addresses is reachable from
 * the same machine as well, also when it has no network or is a container with a published port.
 */
function reachable(own: Candidate[], bindAddress: string): Candidate[] {
  const any = bindAddress === '0.0.0.0' || bindAddress === '::';
  const hosts = own.filter(({ ip, type, transport }) => {
    if (type !== 'host' || transport.toUpperCase() !== 'UDP') return false;
    return any ? bindAddress === '::' || isIPv4(ip) : ip === bindAddress;
  });
  if (!any || hosts.some(({ ip }) => ip.startsWith('127.'))) return hosts;
  const loopback = relabel(own[0], '127.0.0.1');
  return loopback === null
    ? hosts
    : [...hosts, { ...loopback, foundation: 'lo', priority: loopback.priority - 65_536 }];
}

function relabel(candidate: Candidate | undefined, ip: string): Candidate | null {
  if (candidate === undefined) return null;
  const { foundation, component, transport, priority, port } = candidate;
  return { foundation, component, transport, priority, ip, port, type: 'host' };
}

function show(line: sdpTransform.MediaDescription, shown: Candidate[]): sdpTransform.MediaDescription {
  const first = shown[0];
  return {
    ...line,
    ...(first === undefined
      ? {}
      : { port: first.port, connection: { version: isIPv4(first.ip) ? 4 : 6, ip: first.ip } }),
    candidates: shown,
    endOfCandidates: 'end-of-candidates',
  };
}

function refuse({ type, protocol, payloads, mid }: CheckedOffer['media'][number]): sdpTransform.MediaDescription {
  return {
    type,
    port: 0,
    protocol,
    payloads: payloads.split(' ')[0]!,
    connection: { version: 4, ip: '0.0.0.0' },
    mid,
    direction: 'inactive',
    rtp: [],
    fmtp: [],
  };
}
