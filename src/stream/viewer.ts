import type { Closable } from '../units.js';
import type { OutgoingStream } from './outgoing-stream.js';
import type { Peer } from './peer.js';
import { type RtcpHandler, isRtcp, parseRtcp } from './rtcp.js';

export type ViewerState = 'connecting' | 'connected' | 'closed';

/** One viewer in `StreamHub.stats()`. Null: not known yet. */
export interface ViewerStats {
  id: string;
  state: ViewerState;
  rttMs: number | null;
  lossFraction: number | null;
  /** What the viewer thinks it can receive (REMB). */
  bandwidthBitsPerS: number | null;
  packetsSent: number;
  /** RTP payload, without headers. */
  bytesSent: number;
  /** Packets that the viewer asked for again, and how many of them were sent again. */
  nacks: number;
  retransmitted: number;
  plis: number;
  /** Pictures that it did not get, or not whole, since its first keyframe. */
  droppedPictures: number;
  /** Packets that were malformed, or no RTCP. */
  malformed: number;
}

/** Silence after which a viewer is gone: Chromium reports on a picture every second, on sound alone every 5 ± 2.5. */
const SILENCE_LIMIT_MS = 5000;
const AUDIO_SILENCE_LIMIT_MS = 15_000;
/** ICE and DTLS take a second even over slow networks; until then a viewer holds a place that others could have. */
const CONNECT_LIMIT_MS = 5000;
const KEY_FRAME_PATIENCE_MS = 1000;

/**
 * The SRTP library keeps state for each SSRC that a viewer sends from, in a list that it searches for every packet on the
 * thread that all viewers share: tens of thousands of them slow down everybody. Browsers use one or two, and send
 * neither RTP nor malformed RTCP; a damaged packet does not pass SRTP.
 */
const MAX_SENDERS = 16;
const MAX_MALFORMED = 100;

/** Where a viewer's pictures come from. */
export interface PictureSource {
  /** Sends the viewer what it needs to begin at once; false when it has to wait for a keyframe. */
  catchUp(viewer: Viewer): boolean;
  requestIdr(): void;
}

/** What a viewer needs from the hub. */
export interface ViewerContext {
  /** Milliseconds since 1970. */
  wallClock: () => number;
  originWallMs: () => number;
}

/** The hub's side of one viewer: which pictures it gets, and what it says about them. */
export class Viewer implements RtcpHandler, Closable {
  readonly id: string;
  readonly peer: Peer;
  readonly video: OutgoingStream | null;
  readonly audio: OutgoingStream | null;
  /** Where its pictures come from; null when it takes none. */
  readonly source: PictureSource | null;
  readonly #context: ViewerContext;
  #state: ViewerState = 'connecting';
  #takesPicture = false;
  #needsKeyFrame = true;
  #started = false;
  #waitedMs = 0;
  #silentMs = 0;
  #packetsAtTick = 0;
  #bandwidth: number | null = null;
  #nacks = 0;
  #plis = 0;
  #droppedPictures = 0;
  #malformed = 0;
  readonly #senders = new Set<number>();

  constructor(
    id: string,
    peer: Peer,
    streams: { video: OutgoingStream | null; audio: OutgoingStream | null; source: PictureSource | null },
    context: ViewerContext,
  ) {
    this.id = id;
    this.peer = peer;
    this.video = streams.video;
    this.audio = streams.audio;
    this.source = streams.source;
    this.#context = context;
  }

  get connected(): boolean {
    return this.#state === 'connected';
  }

  connect(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'connected';
    this.#silentMs = 0;
    if (this.source?.catchUp(this) === false) this.source.requestIdr();
  }

  /**
   * Sends what it missed since the last keyframe; it then goes on with the packets that follow.
   * @param begin ring number of the keyframe's first packet
   * @param end of the next packet that all viewers get
   */
  catchUp(begin: number, end: number): void {
    this.#needsKeyFrame = false;
    this.#started = true;
    this.#takesPicture = true;
    if (this.video?.catchUp(begin, end) === false) this.losePicture();
  }

  /** Decides whether the viewer gets the picture that follows: from its first keyframe on, until one was lost. */
  beginPicture(keyFrame: boolean): boolean {
    this.#takesPicture = false;
    if (this.video === null || this.#state !== 'connected') return false;
    if (this.#needsKeyFrame && !keyFrame) {
      if (this.#started) this.#droppedPictures += 1;
      return false;
    }
    this.#needsKeyFrame = false;
    this.#started = true;
    this.#waitedMs = 0;
    this.#takesPicture = true;
    return true;
  }

  /** Sends one packet of the picture that has begun; when it is not taken, the rest of the picture is left out. */
  sendPicturePacket(index: number): void {
    if (!this.#takesPicture || this.video === null || this.video.send(index)) return;
    this.losePicture();
  }

  /** The present picture cannot be had whole: nothing more of pictures until a keyframe. */
  losePicture(): void {
    this.#takesPicture = false;
    if (this.video === null || this.#state !== 'connected') return;
    if (this.#started) this.#droppedPictures += 1;
    if (this.#needsKeyFrame) return;
    this.#needsKeyFrame = true;
    this.source?.requestIdr();
  }

  sendAudioPacket(index: number): void {
    if (this.#state === 'connected') this.audio?.send(index);
  }

  /** After packets were sent. */
  report(): void {
    if (this.#state !== 'connected') return;
    const wallMs = this.#context.wallClock();
    this.video?.reportIfDue(wallMs, this.#context.originWallMs());
    this.audio?.reportIfDue(wallMs, this.#context.originWallMs());
  }

  /**
   * Lets time pass.
   * @returns why the viewer counts as gone, or null
   */
  tick(elapsedMs: number): 'neverConnected' | 'silent' | null {
    const packets = (this.video?.packets ?? 0) + (this.audio?.packets ?? 0);
    // A viewer has nothing to report on while nothing is sent to it.
    if (this.#state === 'connecting' || packets > this.#packetsAtTick) this.#silentMs += elapsedMs;
    this.#packetsAtTick = packets;
    if (this.#state === 'connecting') return this.#silentMs >= CONNECT_LIMIT_MS ? 'neverConnected' : null;
    if (this.#needsKeyFrame && this.video !== null) {
      this.#waitedMs += elapsedMs;
      if (this.#waitedMs >= KEY_FRAME_PATIENCE_MS) {
        this.#waitedMs = 0;
        this.source?.requestIdr();
      }
    }
    return this.#silentMs >= (this.video === null ? AUDIO_SILENCE_LIMIT_MS : SILENCE_LIMIT_MS) ? 'silent' : null;
  }

  /**
   * Takes whatever the viewer sent.
   * @returns false when it has sent too much of what no viewer sends, and is to be removed
   */
  takePacket(data: Buffer): boolean {
    this.#silentMs = 0;
    if (!isRtcp(data) || !parseRtcp(data, this)) this.#malformed += 1;
    else this.#senders.add(data.readUInt32BE(4));
    return this.#malformed <= MAX_MALFORMED && this.#senders.size <= MAX_SENDERS;
  }

  onReport(ssrc: number, fractionLost: number, lastSr: number, delaySinceLastSr: number): void {
    this.#streamOf(ssrc)?.takeReport(fractionLost, lastSr, delaySinceLastSr, this.#context.wallClock());
  }

  onNack(ssrc: number, sequence: number): void {
    this.#nacks += 1;
    if (this.connected) this.#streamOf(ssrc)?.resend(sequence);
  }

  onPictureLoss(ssrc: number): void {
    if (this.video?.ssrc !== ssrc || !this.connected) return;
    this.#plis += 1;
    this.source?.requestIdr();
  }

  onBandwidth(bitsPerS: number): void {
    this.#bandwidth = bitsPerS;
  }

  onBye(): void {
    // A viewer that leaves closes its transport as well; a BYE alone may be about a stream of its own.
  }

  stats(): ViewerStats {
    const streams = [this.video, this.audio].flatMap((stream) => stream ?? []);
    const sum = (of: (stream: OutgoingStream) => number) => streams.reduce((total, stream) => total + of(stream), 0);
    return {
      id: this.id,
      state: this.#state,
      rttMs: this.video?.rttMs ?? this.audio?.rttMs ?? null,
      lossFraction: this.video?.lossFraction ?? this.audio?.lossFraction ?? null,
      bandwidthBitsPerS: this.#bandwidth,
      packetsSent: sum((stream) => stream.packets),
      bytesSent: sum((stream) => stream.payloadBytes),
      nacks: this.#nacks,
      retransmitted: sum((stream) => stream.retransmitted),
      plis: this.#plis,
      droppedPictures: this.#droppedPictures,
      malformed: this.#malformed,
    };
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#takesPicture = false;
    this.peer.close();
  }

  #streamOf(ssrc: number): OutgoingStream | null {
    if (this.video?.ssrc === ssrc) return this.video;
    return this.audio?.ssrc === ssrc ? this.audio : null;
  }
}
