import { describe, expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { composeAnswer } from '../../src/stream/sdp-answer.js';
import { SDP_LIMITS, checkOffer } from '../../src/stream/sdp-offer.js';

const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');

interface Line {
  media: string;
  lines: string[];
}

const AUDIO: Line = {
  media: 'audio 9 UDP/TLS/RTP/SAVPF 111 63 0',
  lines: ['a=mid:0', 'a=recvonly', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1'],
};
const VIDEO: Line = {
  media: 'video 9 UDP/TLS/RTP/SAVPF 96 102 103 104 108 109',
  lines: [
    'a=mid:1',
    'a=recvonly',
    'a=rtcp-mux',
    'a=rtpmap:96 VP8/90000',
    'a=rtpmap:102 H264/90000',
    'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
    'a=rtpmap:104 H264/90000',
    'a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
    'a=rtpmap:108 H264/90000',
    'a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    'a=rtpmap:109 H264/90000',
    'a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f',
  ],
};

const DATA: Line = { media: 'application 9 UDP/DTLS/SCTP webrtc-datachannel', lines: ['a=mid:d', 'a=sctp-port:5000'] };
const BUNDLE_ONLY: Line = { media: 'audio 0 UDP/TLS/RTP/SAVPF 111', lines: [...AUDIO.lines, 'a=bundle-only'] };

function offer(media: Line[] = [AUDIO, VIDEO], session: string[] = []): string {
  const transport = [
    'a=ice-ufrag:Ab+/',
    'a=ice-pwd:abcdefghijklmnopqrstuvwx',
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    'a=setup:actpass',
    'a=candidate:1 1 udp 2113937151 c0ffee.local 51000 typ host',
    'a=candidate:2 1 udp 2113937151 198.51.100.7 51000 typ host',
    'a=end-of-candidates',
  ];
  const lines = [
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    ...session,
    ...media.flatMap(({ media: m, lines }) => [`m=${m}`, 'c=IN IP4 0.0.0.0', ...transport, ...lines]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function reasonOf(sdp: string): string {
  try {
    checkOffer(sdp);
  } catch (error) {
    if (error instanceof DhError && error.code === 'sdp_invalid') return error.message;
    throw error;
  }
  return 'accepted';
}

const without = (line: Line, pattern: RegExp): Line => ({
  ...line,
  lines: line.lines.filter((text) => !pattern.test(text)),
});
const instead = (line: Line, pattern: RegExp, text: string): Line => ({
  ...line,
  lines: line.lines.map((old) => old.replace(pattern, text)),
});

/** An m-line with no codec of ours. */
const NO_CODEC = instead(without(VIDEO, /H264/), /VP8/, 'VP9');

describe('checkOffer', () => {
  it('finds Opus, and H.264 in constrained baseline under its own number', () => {
    const checked = checkOffer(offer());
    expect(checked.audio).toMatchObject({ mid: '0', payloadType: 111, rtpmap: 'opus/48000/2' });
    expect(checked.video).toMatchObject({ mid: '1', payloadType: 108, codec: 'h264' });
    expect(checked.video!.format).toContain('profile-level-id=42e01f');
  });

  it('leaves out candidates and all that it does not know', () => {
    const { sdp } = checkOffer(offer([AUDIO, VIDEO], ['a=ssrc:1 cname:x', 'a=x-hostile:1']));
    expect(sdp).not.toMatch(/candidate|\.local|198\.51|hostile|VP8|ssrc/);
    expect(sdp).toContain('a=ice-ufrag:Ab+/');
  });

  it('gives the library one m-line, the first that is served, and makes the viewer the DTLS client', () => {
    const lineOf = (media: Line[]) => /^m=.*$/gm[Symbol.match](checkOffer(offer(media)).sdp);
    expect(lineOf([AUDIO, VIDEO])).toEqual(['m=audio 9 UDP/TLS/RTP/SAVPF 111']);
    expect(lineOf([VIDEO, AUDIO])).toEqual(['m=video 9 UDP/TLS/RTP/SAVPF 108']);
    expect(lineOf([NO_CODEC, AUDIO])).toEqual(['m=audio 9 UDP/TLS/RTP/SAVPF 111']);
    expect(checkOffer(offer()).sdp).toContain('a=setup:active');
    expect(checkOffer(offer().replaceAll('actpass', 'passive')).sdp).toContain('a=setup:passive');
  });

  it('takes what there is: only sound, only picture, or neither', () => {
    expect(checkOffer(offer([AUDIO])).video).toBeNull();
    expect(checkOffer(offer([VIDEO])).audio).toBeNull();
    expect(checkOffer(offer([AUDIO, NO_CODEC])).video).toBeNull();
    expect(checkOffer(offer([instead(AUDIO, /recvonly/, 'sendonly'), VIDEO])).audio).toBeNull();
    expect(checkOffer(offer([instead(AUDIO, /recvonly/, 'sendrecv')])).audio).not.toBeNull();
    expect(reasonOf(offer([instead(VIDEO, /recvonly/, 'inactive')]))).toContain('no m-line of it receives');
    const unsupported = expect.objectContaining({ code: 'codec_unsupported', status: 422 }) as Error;
    expect(() => checkOffer(offer([NO_CODEC]))).toThrow(unsupported);
    // RTCP has the numbers 64 to 95 on a shared port.
    expect(() => checkOffer(offer([AUDIO]).replaceAll(/\b111\b/g, '72'))).toThrow(unsupported);
  });

  it('takes VP8 where there is no H.264, on whichever line', () => {
    const vp8 = without(VIDEO, /H264/);
    expect(checkOffer(offer([vp8])).video).toMatchObject({ codec: 'vp8', payloadType: 96, format: '' });
    expect(checkOffer(offer([vp8])).sdp).toContain('a=rtpmap:96 VP8/90000');
    expect(checkOffer(offer([vp8])).sdp).not.toContain('a=fmtp');
    const second = instead(VIDEO, /mid:1/, 'mid:2');
    expect(checkOffer(offer([vp8, second])).video).toMatchObject({ codec: 'h264', mid: '2' });
  });

  it('prefers constrained baseline, and takes main or high when there is no other', () => {
    const high = without(VIDEO, /:(102|104|108) /);
    expect(checkOffer(offer([high])).video!.payloadType).toBe(109);
    expect(checkOffer(offer([without(VIDEO, /:108 /)])).video!.payloadType).toBe(102);
  });

  it.each([
    ['nothing', '', 'empty'],
    ['no SDP', 'hello', 'v=0'],
    ['too many bytes', `v=0\r\n${'a=x\r\n'.repeat(SDP_LIMITS.bytes)}`, 'bytes'],
    ['too many lines', `v=0\r\n${'a=x\r\n'.repeat(SDP_LIMITS.lines)}`, 'lines'],
    ['a long line', `v=0\r\na=${'x'.repeat(SDP_LIMITS.lineBytes)}`, 'line is longer'],
    ['no m-line', 'v=0\r\ns=-\r\n', 'no m-line'],
    ['nine m-lines', offer(Array.from({ length: 9 }, (_, i) => instead(AUDIO, /mid:0/, `mid:${i}`))), 'm-lines'],
    ['one mid twice', offer([AUDIO, AUDIO]), 'same mid'],
    ['no mid', offer([without(AUDIO, /mid/)]), 'mid'],
    ['a long mid', offer([instead(AUDIO, /mid:0/, `mid:${'m'.repeat(33)}`)]), 'mid'],
    ['an odd mid', offer([instead(AUDIO, /mid:0/, 'mid:a"b')]), 'mid'],
    ['no ufrag', offer().replaceAll('a=ice-ufrag:Ab+/', 'a=x'), 'ice-ufrag'],
    ['an odd ufrag', offer().replaceAll('Ab+/', 'a b c d'), 'ice-ufrag'],
    ['a short pwd', offer().replaceAll('abcdefghijklmnopqrstuvwx', 'short'), 'ice-pwd'],
    ['no fingerprint', offer().replaceAll('a=fingerprint', 'a=x'), 'fingerprint'],
    ['a fingerprint of an unknown kind', offer().replaceAll('sha-256', 'constructor'), 'fingerprint'],
    ['a fingerprint of a wrong length', offer().replaceAll('sha-256', 'sha-512'), 'fingerprint'],
    ['an odd role', offer().replaceAll('actpass', 'holdconn'), 'setup'],
    ['no rtcp-mux', offer([without(AUDIO, /rtcp-mux/)]), 'rtcp-mux'],
    ['one payload type for both', offer().replaceAll(/\b108\b/g, '111'), 'unique'],
    ['two streams in no BUNDLE group', offer().replace('a=group:BUNDLE 0 1', 'a=x'), 'BUNDLE'],
    ['two streams in two BUNDLE groups', offer().replace('BUNDLE 0 1', 'BUNDLE 0\r\na=group:BUNDLE 1'), 'BUNDLE'],
    ['bundle-only sound on the transport of data', offer([DATA, BUNDLE_ONLY]).replace('0 1', 'd 0'), 'BUNDLE'],
  ])('refuses %s', (_, sdp, reason) => {
    expect(reasonOf(sdp)).toContain(reason);
  });
});

describe('the owner of the transport', () => {
  const noPicture = NO_CODEC;

  it('is held open, inactive, when it carries no stream and the others hang on it', () => {
    const checked = checkOffer(offer([noPicture, AUDIO]).replace('BUNDLE 0 1', 'BUNDLE 1 0'));
    expect(checked.bundle).toEqual(['1', '0']);
    expect(checked.media.map(({ held }) => held)).toEqual([{ payloadType: 96, codec: 'VP9/90000' }, null]);
    expect(checked.carrier).toBe('audio');
  });

  it('is another line when it cannot be held and that one has a port of its own', () => {
    const checked = checkOffer(offer([DATA, AUDIO]).replace('BUNDLE 0 1', 'BUNDLE d 0'));
    expect(checked.bundle).toEqual(['0']);
    expect(checked.media.map(({ held }) => held)).toEqual([null, null]);
  });

  it('is the line that gives ICE and DTLS their values', () => {
    const own = (line: Line, ufrag: string): Line => ({ ...line, lines: [...line.lines, `a=ice-ufrag:${ufrag}`] });
    const sdp = offer([own(VIDEO, 'video'), own(AUDIO, 'audio')]).replace('BUNDLE 0 1', 'BUNDLE 0 1');
    expect(checkOffer(sdp).sdp).toContain('a=ice-ufrag:audio');
    expect(checkOffer(sdp.replace('BUNDLE 0 1', 'BUNDLE 1 0')).sdp).toContain('a=ice-ufrag:video');
  });

  it('needs no group for one stream', () => {
    const checked = checkOffer(offer([AUDIO]).replace('a=group:BUNDLE 0 1', 'a=x'));
    expect(checked.bundle).toEqual([]);
  });
});

describe('composeAnswer', () => {
  /** What the library says: one m-line, and the addresses of the machine. */
  const library = (ips: string[]): string =>
    `${[
      'v=0',
      'o=rtc 1 0 IN IP4 127.0.0.1',
      's=-',
      't=0 0',
      'a=group:BUNDLE 0',
      'a=group:LS 0',
      `a=fingerprint:sha-256 ${FINGERPRINT}`,
      'm=audio 8189 UDP/TLS/RTP/SAVPF 111',
      'c=IN IP4 10.0.0.2',
      'a=mid:0',
      'a=sendonly',
      'a=rtcp-mux',
      'a=rtpmap:111 opus/48000/2',
      'a=setup:passive',
      'a=ice-ufrag:JMxQ',
      'a=ice-pwd:LOhV34/C7URTstfNt34tnS',
      ...ips.map((ip, i) => `a=candidate:${i} 1 UDP ${2_114_977_791 - i} ${ip} 8189 typ host`),
      'a=end-of-candidates',
    ].join('\r\n')}\r\n`;
  const both = checkOffer(offer());
  const streams = { ssrc: { video: 1001, audio: 1002 }, cname: 'cn' };
  const answer = (ips: string[], bindAddress: string, checked = both, publicIp?: string): string =>
    composeAnswer(library(ips), checked, { port: 8189, bindAddress, publicIp }, streams);
  const shown = (sdp: string): string[] => {
    const [first] = sdp.split(/^m=/m).slice(1);
    return [...first!.matchAll(/^a=candidate:\S+ 1 UDP \d+ (\S+ \d+) typ host/gm)].map(([, address]) => address!);
  };

  it('has both streams on the one transport', () => {
    const sdp = answer(['10.0.0.2'], '0.0.0.0');
    const [, audio, video] = sdp.split(/^m=/m) as [string, string, string];
    expect(sdp).toContain('a=group:BUNDLE 0 1\r\n');
    expect(sdp).not.toContain('group:LS');
    expect(audio).toMatch(/^audio 8189 UDP\/TLS\/RTP\/SAVPF 111\r\n/);
    expect(video).toMatch(/^video 8189 UDP\/TLS\/RTP\/SAVPF 108\r\n/);
    for (const line of [audio, video]) {
      for (const part of ['ice-ufrag:JMxQ', 'ice-pwd:LOhV', `sha-256 ${FINGERPRINT}`, 'setup:passive', 'rtcp-mux']) {
        expect(line).toContain(part);
      }
    }
    expect(audio).toContain('a=ssrc:1002 cname:cn');
    expect(video).toContain('a=ssrc:1001 cname:cn');
    expect(video).toContain('a=rtcp-fb:108 nack pli');
    expect(video).toContain('profile-level-id=42e01f');
  });

  it('shows only the bound address', () => {
    expect(shown(answer(['10.0.0.2', '10.9.9.9', 'fd00::2'], '10.0.0.2'))).toEqual(['10.0.0.2 8189']);
    expect(shown(answer([], 'fd00::2'))).toEqual(['fd00::2 8189']);
  });

  it('shows IPv4 and the machine itself when bound to all, also without a network', () => {
    expect(shown(answer(['fd00::2', '10.0.0.2'], '0.0.0.0'))).toEqual(['10.0.0.2 8189', '127.0.0.1 8189']);
    expect(shown(answer(['fd00::2', '10.0.0.2'], '::'))).toEqual(['fd00::2 8189', '10.0.0.2 8189', '127.0.0.1 8189']);
    expect(shown(answer([], '0.0.0.0'))).toEqual(['127.0.0.1 8189']);
  });

  it('shows the public address instead', () => {
    const sdp = answer(['10.0.0.2'], '0.0.0.0', both, '203.0.113.9');
    expect(shown(sdp)).toEqual(['203.0.113.9 8189']);
    expect(sdp).toContain('c=IN IP4 203.0.113.9');
    expect(sdp).not.toContain('10.0.0.2');
    expect(() => answer([], '0.0.0.0', both, 'example.org')).toThrow(RangeError);
  });

  it('refuses the m-lines that are not served, at their position', () => {
    const sdp = answer(['10.0.0.2'], '0.0.0.0', checkOffer(offer([AUDIO, NO_CODEC])));
    expect(sdp.match(/^m=.*$/gm)).toEqual(['m=audio 8189 UDP/TLS/RTP/SAVPF 111', 'm=video 0 UDP/TLS/RTP/SAVPF 96']);
    expect(sdp).toContain('a=group:BUNDLE 0\r\n');
  });

  it('accepts the owner of the transport without sending on it', () => {
    const held = checkOffer(offer([NO_CODEC, AUDIO]).replace('BUNDLE 0 1', 'BUNDLE 1 0'));
    const [, video, audio] = answer(['10.0.0.2'], '0.0.0.0', held).split(/^m=/m) as [string, string, string];
    expect(video).toMatch(/^video 8189 UDP\/TLS\/RTP\/SAVPF 96\r\n/);
    expect(video).toMatch(/a=inactive\r\n[^]*a=rtpmap:96 VP9\/90000\r\n[^]*a=ice-ufrag:JMxQ/);
    expect(video).not.toContain('a=ssrc');
    expect(audio).toContain('a=sendonly');
  });
});
