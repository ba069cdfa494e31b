import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { DhError } from '../errors.js';
import {
  type AccessUnit,
  type Clock,
  type Closable,
  type OpusPacket,
  FRAME_RATE,
  SAMPLE_RATE,
  VIDEO_CLOCK_RATE,
} from '../units.js';
import { H264Packetiser } from './h264-packetiser.js';
import { IDR_WINDOW_MS, IdrGate } from './idr-gate.js';
import { OutgoingStream } from './outgoing-stream.js';
import { PacketRing } from './packet-ring.js';
import { type Peer, type PeerFactory, createPeer } from './peer.js';
import { MAX_PAYLOAD_BYTES, type MediaKind, RTP_HEADER_BYTES } from './rtp.js';
import { composeAnswer } from './sdp-answer.js';
import { type OfferedStream, checkOffer } from './sdp-offer.js';
import { Viewer, type ViewerStats } from './viewer.js';

/** How a session goes out. */
export interface StreamHubOptions {
  /** When frame 0 and sample 0 were due, in milliseconds since 1970. */
  originWallMs: number;
  /** Asks the encoder that its next picture be an IDR. At most every 500 ms. */
  requestIdr: () => void;
  /** The UDP port of the process, shared by all its hubs. */
  udpPort: number;
  /** Address of this machine that the port is bound to; `0.0.0.0` is all of IPv4, `::` all. Default `127.0.0.1`. */
  bindAddress?: string;
  /** Address shown to viewers in place of the machine's own. */
  publicIp?: string;
  maxViewers: number;
  /** Called with the number of connected viewers whenever it changes. */
  onViewersChanged?: (connected: number) => void;
  /** Milliseconds since 1970, of a clock that does not jump. */
  wallClock?: Clock;
  clock?: Clock;
  createPeer?: PeerFactory;
}

/** Why viewers were removed. */
export type RemovalReason = 'left' | 'failed' | 'silent' | 'neverConnected' | 'hubClosed';

/** What a hub did since it began. */
export interface StreamHubStats {
  viewers: ViewerStats[];
  totals: {
    connected: number;
    accepted: number;
    removed: Record<RemovalReason, number>;
    pictures: number;
    videoPackets: number;
    audioPackets: number;
    /** Pictures and Opus packets that were too long to be sent. */
    refusedUnits: number;
    /** Pictures that were spread over some milliseconds. */
    pacedPictures: number;
    idrRequests: number;
    /** Exceptions of the callbacks that were passed in. */
    callbackErrors: number;
    memoryBytes: number;
  };
}

/** Enough for 2 s of 1080p at 6 Mbit/s. */
const VIDEO_HISTORY_PACKETS = 1024;
/** 2.5 s. */
const AUDIO_HISTORY_PACKETS = 128;
/** The longest Opus packet (RFC 6716, section 3.2.1). */
const MAX_OPUS_BYTES = 1275;
/** What a peer connection of libdatachannel holds, with DTLS and SRTP: measured with ten of them. */
const PEER_BYTES = 280_000;
/** A socket's send buffer takes this many packets at once without loss. */
const BURST_PACKETS = 200;
const PACE_STEPS = 5;
const PACE_STEP_MS = 4;
const TICK_MS = 250;
/** A viewer that joins sooner than this after a keyframe catches up from it; otherwise it gets one of its own. */
const CATCH_UP_MS = IDR_WINDOW_MS;
/** Packets between two pictures that may go into catching up: a crowd waits for the keyframe that serves all of it. */
const CATCH_UP_PACKETS = 1000;
const CLOCK_RATE: Record<MediaKind, number> = { video: VIDEO_CLOCK_RATE, audio: SAMPLE_RATE };

/**
 * One session's way out: pictures and sound come in encoded, are packetised once, and go to every viewer.
 * A viewer that is slow, silent or hostile loses its own pictures, and costs the others nothing.
 */
export class StreamHub implements Closable {
  readonly #options: StreamHubOptions;
  #originWallMs: number;
  #maxViewers: number;
  readonly #wallClock: Clock;
  readonly #clock: Clock;
  readonly #gate: IdrGate;
  readonly #rings: Record<MediaKind, PacketRing> = {
    video: new PacketRing(VIDEO_HISTORY_PACKETS, MAX_PAYLOAD_BYTES),
    audio: new PacketRing(AUDIO_HISTORY_PACKETS, MAX_OPUS_BYTES),
  };
  readonly #packetiser = new H264Packetiser(this.#rings.video);
  readonly #viewers = new Map<string, Viewer>();
  /** The same viewers, for loops that make no iterator. */
  #list: Viewer[] = [];
  readonly #cname = `dh-${randomBytes(6).toString('hex')}`;
  readonly #ticker: NodeJS.Timeout;
  readonly #sendStep = (): void => this.#continuePicture();
  #pacer: NodeJS.Timeout | null = null;
  #nextVideoPacket = 0;
  /** First packet of the last keyframe, if all pictures since then can be sent, and when it was made. */
  #keyFrame: { packet: number; atMs: number } | null = null;
  #catchUpPackets = 0;
  #stepPackets = 0;
  #lastTickMs: number;
  #lastCount = 0;
  #closed = false;
  readonly #removed: Record<RemovalReason, number> = { left: 0, failed: 0, silent: 0, neverConnected: 0, hubClosed: 0 };
  #accepted = 0;
  #pictures = 0;
  #audioPackets = 0;
  #videoPackets = 0;
  #refusedOpus = 0;
  #paced = 0;
  #callbackErrors = 0;

  /** @throws RangeError for a port, limit or address that cannot be */
  constructor(options: StreamHubOptions) {
    const { udpPort, maxViewers, bindAddress = '127.0.0.1', publicIp } = options;
    if (!Number.isInteger(udpPort) || udpPort < 1 || udpPort > 65_535) throw new RangeError(`UDP port ${udpPort}`);
    mustBeCount(maxViewers);
    for (const address of [bindAddress, publicIp]) {
      if (address !== undefined && isIP(address) === 0) throw new RangeError(`"${address}" is not an IP address`);
    }
    this.#options = { ...options, bindAddress };
    this.#originWallMs = options.originWallMs;
    this.#maxViewers = maxViewers;
    this.#wallClock = options.wallClock ?? (() => performance.timeOrigin + performance.now());
    this.#clock = options.clock ?? (() => performance.now());
    this.#gate = new IdrGate(() => this.#safely(options.requestIdr), this.#clock);
    this.#lastTickMs = this.#clock();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#ticker.unref();
  }

  /** The schedule moved by `deltaMs` because the process stood still: from now on sender reports say so. */
  moveOrigin(deltaMs: number): void {
    this.#originWallMs += deltaMs;
  }

  /** Sets how many viewers there may be; those that are there stay. Throws RangeError for a number that cannot be. */
  setMaxViewers(maxViewers: number): void {
    mustBeCount(maxViewers);
    this.#maxViewers = maxViewers;
  }

  /** Viewers that are connected. */
  get viewerCount(): number {
    let count = 0;
    for (const viewer of this.#list) if (viewer.connected) count += 1;
    return count;
  }

  /** Memory of the packets that can be sent again, in bytes; it never changes. */
  get historyBytes(): number {
    return this.#rings.video.bytes + this.#rings.audio.bytes;
  }

  /** Memory of all viewers, most that it can become, and how many they are. */
  get viewerMemory(): { bytes: number; limitBytes: number; count: number } {
    let bytes = 0;
    for (const { video, audio } of this.#list) bytes += PEER_BYTES + (video?.bytes ?? 0) + (audio?.bytes ?? 0);
    const each = PEER_BYTES + 8 * (VIDEO_HISTORY_PACKETS + AUDIO_HISTORY_PACKETS);
    return { bytes, limitBytes: each * this.#maxViewers, count: this.#list.length };
  }

  /** Sends one picture to all. `unit.data` is only read during the call. */
  sendVideo(unit: AccessUnit): void {
    if (this.#closed) return;
    if (unit.keyFrame) this.#gate.made();
    else this.#gate.poll();
    this.#finishPicture();
    const ring = this.#rings.video;
    const packets = this.#packetiser.push(unit.data, (unit.frame * VIDEO_CLOCK_RATE) / FRAME_RATE);
    this.#nextVideoPacket = ring.end - packets;
    if (packets === 0) this.#keyFrame = null;
    else if (unit.keyFrame) this.#keyFrame = { packet: this.#nextVideoPacket, atMs: this.#clock() };
    this.#catchUpPackets = 0;
    this.#pictures += 1;
    let receivers = 0;
    for (const viewer of this.#list) {
      if (packets === 0) viewer.losePicture();
      else if (viewer.beginPicture(unit.keyFrame)) receivers += 1;
    }
    if (packets * receivers > BURST_PACKETS) {
      this.#paced += 1;
      const steps = Math.min(PACE_STEPS, Math.ceil((packets * receivers) / BURST_PACKETS) + 1);
      this.#stepPackets = Math.ceil(packets / steps);
      this.#continuePicture();
    } else {
      this.#finishPicture();
    }
    for (const viewer of this.#list) viewer.report();
  }

  /** Sends Opus packets to all, in order. Their data is only read during the call. */
  sendAudio(packets: readonly OpusPacket[]): void {
    if (this.#closed) return;
    const ring = this.#rings.audio;
    for (const { data, sample } of packets) {
      if (data.length === 0 || data.length > ring.maxPayloadBytes) {
        this.#refusedOpus += 1;
        continue;
      }
      ring.reserve().set(data, RTP_HEADER_BYTES);
      ring.commit(data.length, sample, false);
      this.#audioPackets += 1;
      for (const viewer of this.#list) viewer.sendAudioPacket(ring.end - 1);
    }
    for (const viewer of this.#list) viewer.report();
  }

  /**
   * Takes a viewer in.
   * @param id chosen by the caller, not in use
   * @param offerSdp WHEP offer, unchecked
   * @returns the SDP answer, complete with candidates
   * @throws DhError `sdp_invalid`, `viewer_limit`, `stage_unavailable`, `session_not_live` (closed); RangeError when
   * the id is in use
   */
  async addViewer(id: string, offerSdp: string): Promise<string> {
    if (this.#closed) throw new DhError('session_not_live', 'The session is being closed.');
    if (this.#viewers.has(id)) throw new RangeError(`viewer id "${id}" is in use`);
    const offer = checkOffer(offerSdp);
    const { bindAddress = '', publicIp, udpPort } = this.#options;
    const maxViewers = this.#maxViewers;
    if (this.#viewers.size >= maxViewers) {
      throw new DhError('viewer_limit', `The session has its ${maxViewers} viewers already.`, {
        hint: 'Try again later, or raise the limit of viewers.',
      });
    }
    const ssrc = { video: randomUint32(), audio: randomUint32() };
    if (ssrc.audio === ssrc.video) ssrc.audio = (ssrc.audio + 1) >>> 0;
    // Packets of the peer cannot come before this call returns to the event loop, hence after `viewer` is set.
    const peer: Peer = (this.#options.createPeer ?? createPeer)(
      offer,
      { udpPort, bindAddress },
      {
        onConnected: () => {
          viewer.connect();
          this.#countChanged();
        },
        onGone: () => this.#remove(viewer, 'failed'),
        onRtcp: (data) => viewer.takeRtcp(data),
      },
    );
    const viewer = new Viewer(
      id,
      peer,
      {
        video: this.#streamTo(peer, 'video', offer.video, ssrc.video),
        audio: this.#streamTo(peer, 'audio', offer.audio, ssrc.audio),
      },
      {
        wallClock: this.#wallClock,
        originWallMs: () => this.#originWallMs,
        requestIdr: () => this.#gate.request(),
        catchUp: (joined) => this.#catchUp(joined),
      },
    );
    this.#viewers.set(id, viewer);
    this.#list = [...this.#viewers.values()];
    this.#accepted += 1;
    try {
      return composeAnswer(
        await peer.answer,
        offer,
        { port: udpPort, bindAddress, publicIp },
        { ssrc, cname: this.#cname },
      );
    } catch (error) {
      this.#remove(viewer, 'failed');
      throw error;
    }
  }

  hasViewer(id: string): boolean {
    return this.#viewers.has(id);
  }

  /** Closes a viewer; false when there is none of that id. */
  removeViewer(id: string): boolean {
    const viewer = this.#viewers.get(id);
    if (viewer === undefined) return false;
    this.#remove(viewer, 'left');
    return true;
  }

  stats(): StreamHubStats {
    return {
      viewers: this.#list.map((viewer) => viewer.stats()),
      totals: {
        connected: this.viewerCount,
        accepted: this.#accepted,
        removed: { ...this.#removed },
        pictures: this.#pictures,
        videoPackets: this.#videoPackets,
        audioPackets: this.#audioPackets,
        refusedUnits: this.#packetiser.refused + this.#refusedOpus,
        pacedPictures: this.#paced,
        idrRequests: this.#gate.served,
        callbackErrors: this.#callbackErrors,
        memoryBytes: this.historyBytes + this.viewerMemory.bytes,
      },
    };
  }

  /** Closes all viewers and stops; what is sent afterwards goes nowhere. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticker);
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    this.#pacer = null;
    for (const viewer of [...this.#list]) this.#remove(viewer, 'hubClosed');
  }

  #streamTo(peer: Peer, kind: MediaKind, offered: OfferedStream | null, ssrc: number): OutgoingStream | null {
    if (offered === null) return null;
    return new OutgoingStream({
      ring: this.#rings[kind],
      send: (packet) => peer.send(packet),
      payloadType: offered.payloadType,
      ssrc,
      // Below half of its range, so that no receiver takes the first loss for a wrap (RFC 3711, section 3.3.1).
      firstSequence: randomUint32() & 0x7fff,
      timestampOffset: randomUint32(),
      clockRate: CLOCK_RATE[kind],
      cname: this.#cname,
    });
  }

  /** Sends the next part of a big picture, and sees to the one after it. */
  #continuePicture(): void {
    this.#pacer = null;
    const { end } = this.#rings.video;
    this.#sendPackets(Math.min(end, this.#nextVideoPacket + this.#stepPackets));
    if (this.#nextVideoPacket < end) this.#pacer = setTimeout(this.#sendStep, PACE_STEP_MS);
  }

  /** Sends all that is left of the picture: the next one is never begun before. */
  #finishPicture(): void {
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    this.#pacer = null;
    this.#sendPackets(this.#rings.video.end);
  }

  #sendPackets(end: number): void {
    for (; this.#nextVideoPacket < end; this.#nextVideoPacket += 1) {
      this.#videoPackets += 1;
      for (const viewer of this.#list) viewer.sendPicturePacket(this.#nextVideoPacket);
    }
  }

  /** Sends a viewer that has just joined what the others got since the last keyframe, if that is not much. */
  #catchUp(viewer: Viewer): boolean {
    if (this.#keyFrame === null || this.#clock() - this.#keyFrame.atMs >= CATCH_UP_MS) return false;
    const { packet: begin } = this.#keyFrame;
    const end = this.#nextVideoPacket;
    if (!this.#rings.video.has(begin) || this.#catchUpPackets + end - begin > CATCH_UP_PACKETS) return false;
    this.#catchUpPackets += end - begin;
    viewer.catchUp(begin, end);
    return true;
  }

  #tick(): void {
    const now = this.#clock();
    // After a stall of the whole process, what viewers sent meanwhile has not been read yet.
    const elapsedMs = Math.min(now - this.#lastTickMs, 2 * TICK_MS);
    this.#lastTickMs = now;
    for (const viewer of this.#list) {
      const reason = viewer.tick(elapsedMs);
      if (reason !== null) this.#remove(viewer, reason);
    }
  }

  #remove(viewer: Viewer, reason: RemovalReason): void {
    if (this.#viewers.get(viewer.id) !== viewer) return;
    this.#viewers.delete(viewer.id);
    // A new list: the loop that a removal comes from goes on over the old one.
    this.#list = [...this.#viewers.values()];
    this.#removed[reason] += 1;
    viewer.close();
    this.#countChanged();
  }

  #countChanged(): void {
    const count = this.viewerCount;
    if (count === this.#lastCount) return;
    this.#lastCount = count;
    this.#safely(() => this.#options.onViewersChanged?.(count));
  }

  #safely(callback: () => void): void {
    try {
      callback();
    } catch {
      this.#callbackErrors += 1;
    }
  }
}

function mustBeCount(maxViewers: number): void {
  if (!Number.isInteger(maxViewers) || maxViewers < 0) throw new RangeError(`at most ${maxViewers} viewers`);
}

function randomUint32(): number {
  return randomBytes(4).readUInt32BE();
}
