import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Peer, PeerEvents, PeerFactory, PeerOptions } from '../../src/stream/peer.js';
import { ntpMiddle } from '../../src/stream/rtcp.js';
import { type MediaKind, type VideoCodec, readRtpHeader } from '../../src/stream/rtp.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';
import { StreamHub, type StreamHubOptions } from '../../src/stream/stream-hub.js';
import type { AccessUnit } from '../../src/units.js';

const ORIGIN_MS = 1_700_000_000_000;

/** The library's side of a viewer, in memory. */
class MemoryPeer implements Peer {
  readonly sent: { packet: Buffer; atMs: number }[] = [];
  /** As the answer names them. */
  ssrc: Record<MediaKind, number> = { video: 0, audio: 0 };
  readonly answer: Promise<string>;
  takes = true;
  closed = 0;

  constructor(
    readonly options: PeerOptions,
    readonly events: PeerEvents,
    answer: Promise<string>,
  ) {
    this.answer = answer;
  }

  send(packet: Buffer): boolean {
    if (this.takes) this.sent.push({ packet: Buffer.from(packet), atMs: performance.now() });
    return this.takes;
  }

  close(): void {
    this.closed += 1;
  }

  /** RTP that was sent, header and payload. */
  rtp(kind: MediaKind) {
    return this.sent
      .filter(({ packet }) => (packet[1]! < 192 || packet[1]! > 223) && packet.readUInt32BE(8) === this.ssrc[kind])
      .map(({ packet }) => ({ ...readRtpHeader(packet)!, payload: packet.subarray(12).toString('hex') }));
  }

  reports(kind: MediaKind): Buffer[] {
    return this.sent
      .map(({ packet }) => packet)
      .filter((packet) => packet[1] === 200 && packet.readUInt32BE(4) === this.ssrc[kind]);
  }

  feedback(type: number, format: number, ssrc: number, rest: number[] = []): void {
    const packet = Buffer.from([0x80 | format, type, 0, 2 + rest.length / 4, ...new Array<number>(8).fill(0), ...rest]);
    packet.writeUInt32BE(ssrc, 8);
    this.events.onPacket(packet);
  }
}

const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
const SESSION = `v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\na=ice-ufrag:abcd\r\na=ice-pwd:${'p'.repeat(22)}\r\na=fingerprint:sha-256 ${FINGERPRINT}\r\n`;
const AUDIO = 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n';
const VIDEO =
  'm=video 9 UDP/TLS/RTP/SAVPF 108\r\na=mid:v\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:108 H264/90000\r\na=fmtp:108 packetization-mode=1;profile-level-id=42e01f\r\n';
const OFFER = SESSION + AUDIO + VIDEO;

let peers: MemoryPeer[];
let hub: StreamHub;
let requestIdr: ReturnType<typeof vi.fn<(codec: VideoCodec) => void>>;
let counts: number[];

function makeHub(options: Partial<StreamHubOptions> = {}): StreamHub {
  const createPeer: PeerFactory = (offer, peerOptions, events) => {
    const peer = new MemoryPeer(peerOptions, events, Promise.resolve(offer.sdp));
    peers.push(peer);
    return peer;
  };
  return new StreamHub({
    originWallMs: ORIGIN_MS,
    requestIdr,
    udpPort: 8189,
    maxViewers: 3,
    createPeer,
    wallClock: () => ORIGIN_MS + performance.now(),
    onViewersChanged: (count) => counts.push(count),
    ...options,
  });
}

async function join(id: string, offer = OFFER): Promise<MemoryPeer> {
  const answer = await hub.addViewer(id, checkOffer(offer));
  const peer = peers.at(-1)!;
  for (const [, ssrc, kind] of answer.matchAll(/^a=ssrc:(\d+) msid:dh-live (video|audio)/gm)) {
    peer.ssrc[kind as MediaKind] = Number(ssrc);
  }
  peer.events.onConnected();
  return peer;
}

function picture(frame: number, keyFrame = false, bytes = 3000): AccessUnit {
  const data = Buffer.alloc(bytes, (frame % 200) + 2);
  data.set([0, 0, 0, 1, keyFrame ? 0x65 : 0x41]);
  return { data, keyFrame, frame };
}

beforeEach(() => {
  vi.useFakeTimers();
  peers = [];
  counts = [];
  requestIdr = vi.fn<(codec: VideoCodec) => void>();
  hub = makeHub();
});

afterEach(() => {
  hub.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('what a viewer gets', () => {
  it('begins with a keyframe, goes on without a gap, and has numbers of its own', async () => {
    const [a, b] = [await join('a'), await join('b')];
    expect(requestIdr).toHaveBeenCalled();
    hub.sendVideo(picture(0));
    expect(a.rtp('video')).toEqual([]);
    hub.sendVideo(picture(1, true));
    hub.sendVideo(picture(2));
    const [ofA, ofB] = [a.rtp('video'), b.rtp('video')];
    expect(ofA.map(({ payload }) => payload)).toEqual(ofB.map(({ payload }) => payload));
    expect(ofA).toHaveLength(6);
    for (const [peer, packets] of [[a, ofA] as const, [b, ofB] as const]) {
      packets.forEach(({ sequence }, i) => expect(sequence).toBe((packets[0]!.sequence + i) & 0xffff));
      expect(new Set(packets.map(({ ssrc }) => ssrc))).toEqual(new Set([peer.ssrc.video]));
      expect(packets.map(({ marker }) => marker)).toEqual([false, false, true, false, false, true]);
      expect((packets[3]!.timestamp - packets[0]!.timestamp) >>> 0).toBe(3600);
      expect(packets.every(({ payloadType }) => payloadType === 108)).toBe(true);
    }
    expect(ofA[0]!.ssrc).not.toBe(ofB[0]!.ssrc);
  });

  it('is sound at once, stamped with its samples', async () => {
    const peer = await join('a');
    hub.sendAudio([
      { data: Buffer.from([1]), sample: 0 },
      { data: Buffer.from([2, 2]), sample: 960 },
      { data: Buffer.alloc(2000), sample: 1920 },
      { data: Buffer.from([4]), sample: 2880 },
    ]);
    const packets = peer.rtp('audio');
    expect(packets.map(({ payload }) => payload)).toEqual(['01', '0202', '04']);
    expect(packets.map(({ timestamp }) => (timestamp - packets[0]!.timestamp) >>> 0)).toEqual([0, 960, 2880]);
    expect(packets.map(({ sequence }) => (sequence - packets[0]!.sequence) & 0xffff)).toEqual([0, 1, 2]);
    expect(hub.stats().totals.refusedUnits).toBe(1);
  });

  it('is only what it asked for', async () => {
    const [ear, eye] = [await join('ear', SESSION + AUDIO), await join('eye', SESSION + VIDEO)];
    hub.sendVideo(picture(0, true));
    hub.sendAudio([{ data: Buffer.from([1]), sample: 0 }]);
    expect([ear.rtp('video').length, ear.rtp('audio').length]).toEqual([0, 1]);
    expect([eye.rtp('video').length, eye.rtp('audio').length]).toEqual([3, 0]);
  });

  it('says in its sender reports when media are due, the same for picture and sound', async () => {
    const peer = await join('a');
    await vi.advanceTimersByTimeAsync(1000);
    // Both are late by different delays: frame 20 was due at 800 ms, sample 43200 at 900 ms.
    hub.sendVideo(picture(20, true));
    hub.sendAudio([{ data: Buffer.from([1]), sample: 43_200 }]);
    const dueAt = (kind: MediaKind, rate: number): number => {
      const report = peer.reports(kind).at(-1)!;
      const behind = (report.readUInt32BE(16) - peer.rtp(kind).at(-1)!.timestamp) | 0;
      return (
        (report.readUInt32BE(8) - 2_208_988_800 + report.readUInt32BE(12) / 2 ** 32) * 1000 - (behind / rate) * 1000
      );
    };
    expect(dueAt('video', 90_000)).toBeCloseTo(ORIGIN_MS + 800, 0);
    expect(dueAt('audio', 48_000)).toBeCloseTo(ORIGIN_MS + 900, 0);
    const cnames = (['video', 'audio'] as const).map((kind) => peer.reports(kind)[0]!.subarray(36).toString('latin1'));
    expect(cnames[0]).toBe(cnames[1]);
    expect(peer.reports('video')).toHaveLength(1);
    // The process stood still for 3 s: everything from now on is due that much later.
    hub.moveOrigin(3000);
    await vi.advanceTimersByTimeAsync(1000);
    hub.sendVideo(picture(45));
    hub.sendAudio([{ data: Buffer.from([1]), sample: 86_400 }]);
    expect(dueAt('video', 90_000)).toBeCloseTo(ORIGIN_MS + 3000 + 1800, 0);
    expect(dueAt('audio', 48_000)).toBeCloseTo(ORIGIN_MS + 3000 + 1800, 0);
    expect(peer.reports('video')).toHaveLength(2);
    const report = peer.reports('video')[1]!;
    expect(report.readUInt32BE(20)).toBe(6);
  });

  it('is spread over some milliseconds when it is big, and never overtaken by the next', async () => {
    const all = [await join('a'), await join('b'), await join('c')];
    hub.sendVideo(picture(0, true, 200_000));
    const [whole] = [Math.ceil(200_000 / 1178)];
    expect(all[0]!.rtp('video').length).toBeLessThan(whole);
    await vi.advanceTimersByTimeAsync(20);
    expect(all.map((peer) => peer.rtp('video').length)).toEqual([whole, whole, whole]);
    hub.sendVideo(picture(1, true, 200_000));
    hub.sendVideo(picture(2));
    for (const peer of all) {
      const stamps = peer.rtp('video').map(({ timestamp }) => timestamp);
      expect(stamps).toHaveLength(2 * whole + 3);
      stamps.slice(1).forEach((stamp, i) => expect((stamp - stamps[i]!) >>> 0).toBeLessThanOrEqual(3600));
    }
    expect(hub.stats().totals.pacedPictures).toBe(2);
  });
});

describe('what a viewer says', () => {
  const nack = (peer: MemoryPeer, sequence: number, mask = 0): void =>
    peer.feedback(205, 1, peer.ssrc.video, [sequence >> 8, sequence & 255, mask >> 8, mask & 255]);

  it('gets lost packets again, as they were, also when others have other numbers', async () => {
    const early = await join('early');
    hub.sendVideo(picture(0, true));
    const late = await join('late');
    for (let frame = 1; frame < 50; frame += 1) hub.sendVideo(picture(frame, frame === 5));
    for (const peer of [early, late]) {
      const packets = peer.rtp('video');
      const lost = packets.at(-7)!;
      nack(peer, lost.sequence, 0b100);
      const again = peer.rtp('video').slice(packets.length);
      expect(again).toEqual([lost, packets.at(-4)]);
    }
    expect(hub.stats().viewers.map(({ nacks, retransmitted }) => [nacks, retransmitted])).toEqual([[2, 2], [2, 2]]); // prettier-ignore
  });

  it('cannot ask for what it was never sent, nor for more than it was sent', async () => {
    const peer = await join('a');
    hub.sendVideo(picture(0, true));
    const [first, ...others] = peer.rtp('video');
    nack(peer, (first!.sequence - 1) & 0xffff);
    nack(peer, (others.at(-1)!.sequence + 1) & 0xffff);
    expect(hub.stats().viewers[0]!.retransmitted).toBe(0);
    for (let i = 0; i < 100; i += 1) nack(peer, first!.sequence);
    expect(hub.stats().viewers[0]!.retransmitted).toBe(3);
  });

  it('has its PLIs merged with those of others, and none is lost', async () => {
    const [a, b] = [await join('a'), await join('b')];
    await vi.advanceTimersByTimeAsync(600);
    hub.sendVideo(picture(0, true));
    await vi.advanceTimersByTimeAsync(600);
    requestIdr.mockClear();
    for (const peer of [a, b, a, b]) peer.feedback(206, 1, peer.ssrc.video);
    expect(requestIdr).toHaveBeenCalledTimes(1);
    for (let frame = 1; frame < 25; frame += 1) {
      await vi.advanceTimersByTimeAsync(40);
      hub.sendVideo(picture(frame));
    }
    expect(requestIdr).toHaveBeenCalledTimes(2);
    a.feedback(206, 1, 12_345);
    expect(hub.stats().viewers.map(({ plis }) => plis)).toEqual([2, 2]);
  });

  it('tells its loss, its round trip and its bandwidth', async () => {
    const peer = await join('a');
    const report = Buffer.alloc(32);
    report.set([0x81, 201, 0, 7]);
    report.writeUInt32BE(peer.ssrc.video, 8);
    report[12] = 64;
    report.writeUInt32BE(ntpMiddle(ORIGIN_MS + performance.now() - 150), 24);
    report.writeUInt32BE(65_536 / 10, 28);
    peer.events.onPacket(report);
    peer.feedback(206, 15, 0, [...Buffer.from('REMB'), 1, (2 << 2) | 1, 0, 0]);
    const [viewer] = hub.stats().viewers;
    expect(viewer!.rttMs).toBeCloseTo(50, 0);
    expect(viewer!.lossFraction).toBe(0.25);
    expect(viewer!.bandwidthBitsPerS).toBe(262_144);
    peer.events.onPacket(Buffer.from([1, 2, 3]));
    expect(hub.stats().viewers[0]!.malformed).toBe(1);
  });

  it.each([
    ['malformed RTCP', 200, () => Buffer.from([0x80, 201, 0, 9, 0, 0, 0, 1])],
    ['RTP', 200, () => Buffer.alloc(40, 0x80)],
    ['RTCP from ever other sources', 20, (i: number) => Buffer.from([0x80, 201, 0, 1, 0, 0, 0, i])],
  ])('ends it when it sends much of what no browser sends: %s', async (_, count, packet) => {
    const [bad, good] = [await join('bad'), await join('good')];
    for (let i = 0; i < count; i += 1) bad.events.onPacket(packet(i));
    for (let i = 0; i < count; i += 1) good.events.onPacket(Buffer.from([0x80, 201, 0, 1, 0, 0, 0, i % 3]));
    expect(hub.stats().viewers.map(({ id }) => id)).toEqual(['good']);
    expect(hub.stats().totals.removed.abusive).toBe(1);
    expect([bad.closed, good.closed]).toEqual([1, 0]);
  });
});

describe('a viewer that joins soon after a keyframe', () => {
  it('catches up from it at once, and is not behind the others afterwards', async () => {
    const first = await join('first');
    hub.sendVideo(picture(10, true));
    for (let frame = 11; frame < 15; frame += 1) {
      await vi.advanceTimersByTimeAsync(40);
      hub.sendVideo(picture(frame));
    }
    requestIdr.mockClear();
    const late = await join('late');
    hub.sendVideo(picture(15));
    await vi.advanceTimersByTimeAsync(1000);
    expect(requestIdr).not.toHaveBeenCalled();
    const [ofFirst, ofLate] = [first.rtp('video'), late.rtp('video')];
    expect(ofLate.map(({ payload }) => payload)).toEqual(ofFirst.map(({ payload }) => payload));
    ofLate.forEach(({ sequence }, i) => expect(sequence).toBe((ofLate[0]!.sequence + i) & 0xffff));
    // What it missed is shown within 4 ms, what follows at its time.
    const times = ofLate.filter(({ marker }) => marker).map(({ timestamp }) => timestamp);
    const steps = times.slice(1).map((time, i) => (time - times[i]!) >>> 0);
    expect(steps).toEqual([90, 90, 90, 90, 3600]);
    const again = late.sent.length;
    late.feedback(205, 1, late.ssrc.video, [ofLate[4]!.sequence >>> 8, ofLate[4]!.sequence & 0xff, 0, 0]);
    expect(late.sent[again]!.packet).toEqual(late.sent[4]!.packet);
  });

  it('waits for a keyframe of its own when that one is old, or when a crowd catches up already', async () => {
    hub.close();
    hub = makeHub({ maxViewers: 10 });
    for (const id of ['a', 'b']) await join(id);
    await vi.advanceTimersByTimeAsync(600);
    hub.sendVideo(picture(1, true, 400_000));
    await vi.advanceTimersByTimeAsync(20);
    requestIdr.mockClear();
    const crowd = [await join('c'), await join('d'), await join('e')];
    expect(crowd.map((peer) => peer.rtp('video').length)).toEqual([340, 340, 0]);
    await vi.advanceTimersByTimeAsync(500);
    hub.sendVideo(picture(2));
    expect(requestIdr).toHaveBeenCalledTimes(1);
    requestIdr.mockClear();
    await vi.advanceTimersByTimeAsync(600);
    const lonely = await join('lonely');
    expect(lonely.rtp('video')).toEqual([]);
    expect(requestIdr).toHaveBeenCalledTimes(1);
  });
});

describe('viewers without H.264', () => {
  const VP8 = 'm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n';

  it('get VP8 while they are there, and only them', async () => {
    const memory = hub.historyBytes;
    const [h264, vp8] = [await join('h264'), await join('vp8', SESSION + AUDIO + VP8)];
    expect([hub.watched('h264'), hub.watched('vp8')]).toEqual([true, true]);
    expect(requestIdr.mock.calls).toEqual([['h264'], ['vp8']]);
    hub.sendVideo(picture(0, true));
    hub.sendVideo({ data: Buffer.alloc(2500, 7), keyFrame: true, frame: 0 }, 'vp8');
    hub.sendVideo({ data: Buffer.alloc(900, 8), keyFrame: false, frame: 1 }, 'vp8');
    expect(h264.rtp('video').every(({ payloadType }) => payloadType === 108)).toBe(true);
    const packets = vp8.rtp('video');
    expect(packets.map(({ payloadType, marker }) => [payloadType, marker])).toEqual([
      [96, false],
      [96, false],
      [96, true],
      [96, true],
    ]);
    // One byte of descriptor (RFC 7741): the first packet of a frame says so.
    expect(packets.map(({ payload }) => payload.slice(0, 4))).toEqual(['1007', '0007', '0007', '1008']);
    expect(packets.map(({ payload }) => payload.length / 2)).toEqual([834, 834, 835, 901]);
    vi.advanceTimersByTime(600);
    vp8.feedback(206, 1, vp8.ssrc.video);
    expect(requestIdr.mock.calls.at(-1)).toEqual(['vp8']);
    hub.removeViewer('vp8');
    expect(hub.watched('vp8')).toBe(false);
    expect(hub.historyBytes).toBe(memory);
    hub.sendVideo({ data: Buffer.alloc(900, 8), keyFrame: false, frame: 2 }, 'vp8');
  });
});

describe('a slow viewer', () => {
  it('loses pictures up to a keyframe that is asked for, and nobody else does', async () => {
    const [slow, other] = [await join('slow'), await join('other')];
    await vi.advanceTimersByTimeAsync(600);
    hub.sendVideo(picture(0, true));
    await vi.advanceTimersByTimeAsync(600);
    requestIdr.mockClear();
    slow.takes = false;
    hub.sendVideo(picture(1));
    slow.takes = true;
    expect(requestIdr).toHaveBeenCalledTimes(1);
    hub.sendVideo(picture(2));
    hub.sendVideo(picture(3, true));
    expect(slow.rtp('video')).toHaveLength(6);
    const numbers = slow.rtp('video').map(({ sequence }) => sequence);
    expect(numbers.at(-1)! - numbers[0]!).toBe(5);
    expect(other.rtp('video')).toHaveLength(12);
    expect(hub.stats().viewers.map(({ droppedPictures }) => droppedPictures)).toEqual([2, 0]);
  });

  it('that never gets its keyframe asks again', async () => {
    await join('a');
    requestIdr.mockClear();
    for (let frame = 0; frame < 50; frame += 1) {
      await vi.advanceTimersByTimeAsync(40);
      hub.sendVideo(picture(frame));
    }
    expect(requestIdr.mock.calls.length).toBeGreaterThanOrEqual(1);
    expect(requestIdr.mock.calls.length).toBeLessThanOrEqual(4);
  });
});

describe('coming and going', () => {
  it('stops at the limit, and has room again after one has left', async () => {
    for (const id of ['a', 'b', 'c']) await join(id);
    await expect(hub.addViewer('d', checkOffer(OFFER))).rejects.toMatchObject({ code: 'viewer_limit', status: 503 });
    await expect(hub.addViewer('a', checkOffer(OFFER))).rejects.toThrow(RangeError);
    expect(hub.hasViewer('a')).toBe(true);
    expect(hub.removeViewer('a')).toBe(true);
    expect(hub.hasViewer('a')).toBe(false);
    expect(hub.removeViewer('a')).toBe(false);
    await join('d');
    expect(counts).toEqual([1, 2, 3, 2, 3]);
    expect(peers[0]!.closed).toBe(1);
  });

  it('leaves nothing of a viewer whose answer fails', async () => {
    hub.close();
    const failing = Promise.reject(new Error('no port'));
    failing.catch(() => undefined);
    hub = makeHub({
      createPeer: (_, options, events) => {
        peers.push(new MemoryPeer(options, events, failing));
        return peers.at(-1)!;
      },
    });
    await expect(hub.addViewer('x', checkOffer(OFFER))).rejects.toThrow('no port');
    expect(hub.stats().viewers).toEqual([]);
    expect(peers.at(-1)!.closed).toBe(1);
  });

  it('notices who never connects, who falls silent, and who fails', async () => {
    await hub.addViewer('never', checkOffer(OFFER));
    await vi.advanceTimersByTimeAsync(4500);
    const [silent, talking] = [await join('silent'), await join('talking')];
    expect(hub.stats().viewers).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(hub.stats().totals.removed.neverConnected).toBe(1);
    for (let frame = 0; frame < 200; frame += 1) {
      await vi.advanceTimersByTimeAsync(40);
      hub.sendVideo(picture(frame, frame === 0));
      if (frame % 25 === 0) talking.feedback(206, 15, 0);
    }
    expect(hub.stats().totals.removed.silent).toBe(1);
    expect([silent.closed, talking.closed]).toEqual([1, 0]);
    talking.events.onGone();
    expect(hub.stats().totals.removed.failed).toBe(1);
    expect(hub.stats().viewers).toEqual([]);
    expect(counts).toEqual([1, 2, 1, 0]);
  });

  it('keeps viewers while nothing is sent to them', async () => {
    await join('a');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.viewerCount).toBe(1);
  });

  it('survives exceptions of what it calls, closes all, and twice is harmless', async () => {
    hub.close();
    hub = makeHub({
      requestIdr: () => {
        throw new Error('encoder');
      },
      onViewersChanged: () => {
        throw new Error('listener');
      },
    });
    const peer = await join('a');
    hub.close();
    hub.close();
    expect(peer.closed).toBe(1);
    expect(hub.stats().totals).toMatchObject({ callbackErrors: 3, removed: { hubClosed: 1 } });
    hub.sendVideo(picture(0, true));
    await expect(hub.addViewer('b', checkOffer(OFFER))).rejects.toMatchObject({ code: 'session_not_live' });
  });

  it.each([{ udpPort: 0 }, { maxViewers: -1 }, { bindAddress: 'localhost' }, { publicIp: 'x' }])(
    'refuses %o',
    (bad) => {
      expect(() => makeHub(bad)).toThrow(RangeError);
    },
  );
});
