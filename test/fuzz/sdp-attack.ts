import { faultOf, shown, type Trial, type World } from './attack.js';
import type { FuzzRandom } from './fuzz-random.js';
import { mutateBytes, mutateLines } from './mutate.js';
import { deleteViewer, postOffer } from './whep.js';

/** One offer, changed by the grammar or by bytes; one that is taken never does ICE. */
export async function sdpAttack(random: FuzzRandom, world: World): Promise<Trial> {
  const from = random.loopback();
  const good = browserOffer(random);
  let offer: Buffer = Buffer.from(good);
  if (random.chance(0.6)) offer = Buffer.from(mutateLines(good, random, (line) => changeLine(line, random)));
  else if (random.chance(0.7)) offer = mutateBytes(offer, random);
  if (random.chance(0.05))
    offer = Buffer.concat([offer, Buffer.from(`a=x:${'y'.repeat(random.pick([1000, 30_000, 70_000]))}\r\n`)]);
  const answer = await postOffer(world, random.pick(world.sessions), offer, from);
  // The others are left to the server's own limit.
  if (random.chance(0.7)) await deleteViewer(world, answer, from);
  const late = answer.end === 'late' ? `no answer in ${world.limitMs} ms` : null;
  return {
    sent: shown(offer, 40_000),
    outcome: String(answer.status ?? answer.end),
    fault: late ?? faultOf(answer.text),
  };
}

const TOKENS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'];

/** An offer as a browser's, with keys of its own. */
export function browserOffer(random: FuzzRandom): string {
  const token = (length: number): string => Array.from({ length }, () => random.pick(TOKENS)).join('');
  const hash = [...random.bytes(32)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
  const transport = [
    `a=ice-ufrag:${token(4)}`,
    `a=ice-pwd:${token(24)}`,
    `a=fingerprint:sha-256 ${hash}`,
    'a=setup:actpass',
  ];
  const picture = random.between(96, 127);
  const sound = picture === 111 ? 112 : 111;
  const media = [
    [
      `m=audio 9 UDP/TLS/RTP/SAVPF ${sound}`,
      `a=rtpmap:${sound} opus/48000/2`,
      `a=fmtp:${sound} minptime=10;useinbandfec=1`,
    ],
    [
      `m=video 9 UDP/TLS/RTP/SAVPF 96 ${picture}`,
      'a=rtpmap:96 VP8/90000',
      `a=rtpmap:${picture} H264/90000`,
      `a=rtcp-fb:${picture} nack pli`,
      `a=fmtp:${picture} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f`,
    ],
  ];
  return [
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    'a=extmap-allow-mixed',
    'a=msid-semantic: WMS',
    ...media.flatMap(([line = '', ...codecs], mid) => [
      line,
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      'a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host',
      ...transport,
      `a=mid:${mid}`,
      'a=recvonly',
      'a=rtcp-mux',
      ...codecs,
    ]),
    '',
  ].join('\r\n');
}

/** One line with another value, another name, or much more of it. */
function changeLine(line: string, random: FuzzRandom): string {
  const [name = '', value = ''] = line.split(/:(.*)/s);
  const odd = [
    '',
    '0',
    '-1',
    '99999999999',
    '\0',
    '__proto__',
    'a b c',
    '%n',
    '\u{1f600}',
    'x'.repeat(random.pick([33, 257, 1100])),
  ];
  switch (random.between(0, 6)) {
    case 0:
      return `${name}:${random.pick(odd)}`;
    case 1:
      return `${name}:${value}${random.pick(odd)}`;
    case 2:
      return random.pick([
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
        'm=video 0 UDP/TLS/RTP/SAVPF 0',
        `m=video 9 UDP/TLS/RTP/SAVPF ${Array.from({ length: 200 }, (_, i) => i).join(' ')}`,
        'a=mid:0',
        'a=inactive',
        'a=sendonly',
        'a=setup:holdconn',
        'a=ice-lite',
        'a=candidate:1 1 udp 1 evil.local 9 typ host',
        'a=candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype passive',
        'a=simulcast:recv 1;2',
        'a=ssrc:1 cname:x',
        'a=ssrc-group:FID 1 2',
        'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x',
        'v=1',
      ]);
    case 3:
      return line.replace(/\d+/, () => random.pick(['0', '-1', '63', '64', '95', '128', '255', '4294967296', '1e9']));
    case 4:
      return Array.from({ length: random.pick([2, 9, 600]) }, () => line).join('\r\n');
    case 5:
      return line.toUpperCase();
    default:
      return line.slice(0, random.between(0, line.length));
  }
}
