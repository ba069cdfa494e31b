import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { DhError } from '../errors.js';
import {
  type AccessUnit,
  type Clock,
  type Closable,
  type OpusPacket,
  SAMPLE_RATE,
  VIDEO_CLOCK_RATE,
} from '../units.js';
import { OutgoingStream } from './outgoing-stream.js';
import { PacketRing } from './packet-ring.js';
import { type Peer, type PeerFactory, createPeer } from './peer.js';
import { type MediaKind, RTP_HEADER_BYTES, type VideoCodec } from './rtp.js';
import { composeAnswer } from './sdp-answer.js';
import type { CheckedOffer, OfferedStream } from './sdp-offer.js';
import { VIDEO_HISTORY_PACKETS, type VideoCounts, VideoFanout } from './video-fanout.js';
import { Viewer, type ViewerStats } from './viewer.js';

/** How a session goes out. */
export interface StreamHubOptions {
  /** When frame 0 and sample 0 were due, in milliseconds since 1970. */
  originWallMs: number;
  /** Asks the encoder of a codec that its next picture be a keyframe. At most every 500 ms. */
  requestIdr: (codec: VideoCodec) => void;
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
export type RemovalReason = 'left' | 'failed' | 'silent' | 'neverConnected' | 'abusive' | 'hubClosed';

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

/** 2.5 s. */
const AUDIO_HISTORY_PACKETS = 128;
/** The longest Opus packet (RFC 6716, section 3.2.1). */
const MAX_OPUS_BYTES = 1275;
/** What a peer connection of libdatachannel holds, with DTLS and SRTP: measured with ten of them. */
const PEER_BYTES = 280_000;
const TICK_MS = 250;
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
  /** VP8 is there only while a viewer takes it. */
  readonly #fanouts = new Map<VideoCodec, VideoFanout>();
  readonly #audioRing = new PacketRing(AUDIO_HISTORY_PACKETS, MAX_OPUS_BYTES);
  readonly #counts: VideoCounts = { pictures: 0, videoPackets: 0, pacedPictures: 0, refusedPictures: 0 };
  readonly #viewers = new Map<string, Viewer>();
  /** The same viewers, for loops that make no iterator. */
  #list: Viewer[] = [];
  readonly #cname = `dh-${randomBytes(6).toString('hex')}`;
  readonly #ticker: NodeJS.Timeout;
  #lastTickMs: number;
  #lastCount = 0;
  #closed = false;
  readonly #removed: Record<RemovalReason, number> = {
    ...{ left: 0, failed: 0, silent: 0, neverConnected: 0 },
    ...{ abusive: 0, hubClosed: 0 },
  };
  #accepted = 0;
  #audioPackets = 0;
  #refusedOpus = 0;
  #idrRequests = 0;
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
    this.#fanoutOf('h264');
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

  /** Whether a connected viewer takes pictures of this codec: only then they need be encoded. */
  watched(codec: VideoCodec): boolean {
    return this.#fanouts.get(codec)?.watched === true;
  }

  /** Memory of the packets that can be sent again, in bytes. */
  get historyBytes(): number {
    let bytes = this.#audioRing.bytes;
    for (const { ring } of this.#fanouts.values()) bytes += ring.bytes;
    return bytes;
  }

  /** Memory of all viewers, most that it can become, and how many they are. */
  get viewerMemory(): { bytes: number; limitBytes: number; count: number } {
    let bytes = 0;
    for (const { video, audio } of this.#list) bytes += PEER_BYTES + (video?.bytes ?? 0) + (audio?.bytes ?? 0);
    const each = PEER_BYTES + 8 * (VIDEO_HISTORY_PACKETS + AUDIO_HISTORY_PACKETS);
    return { bytes, limitBytes: each * this.#maxViewers, count: this.#list.length };
  }

  /** Sends one picture to all viewers of its codec. `unit.data` is only read during the call. */
  sendVideo(unit: AccessUnit, codec: VideoCodec = 'h264'): void {
    if (this.#closed) return;
    this.#fanouts.get(codec)?.send(unit);
    for (const viewer of this.#list) viewer.report();
  }

  /** Sends Opus packets to all, in order. Their data is only read during the call. */
  sendAudio(packets: readonly OpusPacket[]): void {
    if (this.#closed) return;
    const ring = this.#audioRing;
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
   * @param offer WHEP offer, checked
   * @returns the SDP answer, complete with candidates
   * @throws DhError `sdp_invalid`, `viewer_limit`, `stage_unavailable`, `session_not_live` (closed); RangeError when
   * the id is in use
   */
  async addViewer(id: string, offer: CheckedOffer): Promise<string> {
    if (this.#closed) throw new DhError('session_not_live', 'The session is being closed.');
    if (this.#viewers.has(id)) throw new RangeError(`viewer id "${id}" is in use`);
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
        onPacket: (data) => {
          if (!viewer.takePacket(data)) this.#remove(viewer, 'abusive');
        },
      },
    );
    const fanout = offer.video === null ? null : this.#fanoutOf(offer.video.codec);
    const viewer = new Viewer(
      id,
      peer,
      {
        source: fanout,
        video: fanout && this.#streamTo(peer, 'video', offer.video!, ssrc.video, fanout.ring),
        audio: offer.audio && this.#streamTo(peer, 'audio', offer.audio, ssrc.audio, this.#audioRing),
      },
      { wallClock: this.#wallClock, originWallMs: () => this.#originWallMs },
    );
    this.#viewers.set(id, viewer);
    this.#listViewers();
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
        pictures: this.#counts.pictures,
        videoPackets: this.#counts.videoPackets,
        audioPackets: this.#audioPackets,
        refusedUnits: this.#counts.refusedPictures + this.#refusedOpus,
        pacedPictures: this.#counts.pacedPictures,
        idrRequests: this.#idrRequests,
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
    for (const viewer of [...this.#list]) this.#remove(viewer, 'hubClosed');
    for (const fanout of this.#fanouts.values()) fanout.close();
  }

  #fanoutOf(codec: VideoCodec): VideoFanout {
    let fanout = this.#fanouts.get(codec);
    if (fanout === undefined) {
      const requestIdr = (): void => {
        this.#idrRequests += 1;
        this.#safely(() => this.#options.requestIdr(codec));
      };
      fanout = new VideoFanout(codec, requestIdr, this.#clock, this.#counts);
      this.#fanouts.set(codec, fanout);
    }
    return fanout;
  }

  /** After a viewer came or went. New lists: a loop that a removal comes from goes on over the old one. */
  #listViewers(): void {
    this.#list = [...this.#viewers.values()];
    for (const [codec, fanout] of this.#fanouts) {
      fanout.viewers = this.#list.filter((viewer) => viewer.source === fanout);
      if (codec === 'h264' || fanout.viewers.length > 0) continue;
      fanout.close();
      this.#fanouts.delete(codec);
    }
  }

  #streamTo(peer: Peer, kind: MediaKind, offered: OfferedStream, ssrc: number, ring: PacketRing): OutgoingStream {
    return new OutgoingStream({
      ring,
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
    this.#listViewers();
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
