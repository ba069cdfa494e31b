import { Audio, PeerConnection, type Track, Video } from 'node-datachannel';
import type { Closable } from '../units.js';
import { DhError } from '../errors.js';
import type { CheckedOffer } from './sdp-offer.js';

/** How a peer connection is made. */
export interface PeerOptions {
  /** The one UDP port of the process; all peer connections share it. */
  udpPort: number;
  /** An address of this machine, `0.0.0.0` or `::`. */
  bindAddress: string;
}

/** What a peer connection tells. Exceptions thrown here are swallowed: they would abort the process. */
export interface PeerEvents {
  /** Encrypted and ready for packets. Once. */
  onConnected(): void;
  /** Failed or closed by the other side. Once; not after `close`. */
  onGone(): void;
  /** Whatever came, decrypted: compound RTCP, or RTP from a viewer that should send none. Valid during the call. */
  onPacket(data: Buffer): void;
}

/** The connection to one viewer. */
export interface Peer extends Closable {
  /** The library's answer with all candidates; rejects with `stage_unavailable` when it takes too long. */
  readonly answer: Promise<string>;
  /** Encrypts and sends one whole RTP or RTCP packet at once. False: it was dropped. Never throws. */
  send(packet: Buffer): boolean;
  close(): void;
}

export type PeerFactory = (offer: CheckedOffer, options: PeerOptions, events: PeerEvents) => Peer;

const GATHERING_LIMIT_MS = 2000;

/** For a peer that is closed. */
const NOBODY: PeerEvents = { onConnected: () => undefined, onGone: () => undefined, onPacket: () => undefined };

/** Connections and tracks that are collected close their native part, so all are held until they say they are closed. */
const alive = new Set<object>();

/** Peer connections of this process that are not closed yet, those that are closing among them. */
export function openPeerCount(): number {
  return alive.size;
}

/**
 * A peer connection of libdatachannel without its media handlers: our RTP and RTCP pass through it as they are.
 * @throws DhError `sdp_invalid` when the library refuses the offer
 */
export const createPeer: PeerFactory = (offer, options, events) => new NativePeer(offer, options, events);

class NativePeer implements Peer {
  readonly answer: Promise<string>;
  readonly #connection: PeerConnection;
  #track: Track | null = null;
  #events: PeerEvents;
  #connected = false;
  #over = false;
  #ended = false;
  #giveUp: (error: DhError) => void = () => undefined;

  constructor(offer: CheckedOffer, options: PeerOptions, events: PeerEvents) {
    this.#events = events;
    const { udpPort, bindAddress } = options;
    this.#connection = new PeerConnection('', {
      iceServers: [],
      disableAutoNegotiation: true,
      enableIceUdpMux: true,
      portRangeBegin: udpPort,
      portRangeEnd: udpPort,
      bindAddress,
    });
    alive.add(this);
    try {
      this.answer = this.#negotiate(offer);
    } catch (error) {
      this.close();
      throw new DhError('sdp_invalid', 'The SDP offer cannot be used: the WebRTC library refuses it.', {
        cause: error,
      });
    }
  }

  send(packet: Buffer): boolean {
    if (this.#over) return false;
    try {
      return this.#track?.sendMessageBinary(packet) ?? false;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#giveUp(new DhError('stage_unavailable', 'The connection was closed before its answer was ready.'));
    // A native track holds its callbacks, and thereby this object, until it is collected, which is when nothing holds the
    // track: the hub must not hang on that, and the track is let go once nothing native is at work.
    this.#giveUp = () => undefined;
    this.#events = NOBODY;
    try {
      this.#connection.close();
      if (this.#ended) this.#track = null;
    } catch {
      this.#end();
    }
  }

  #negotiate(offer: CheckedOffer): Promise<string> {
    const connection = this.#connection;
    connection.onStateChange((state) => this.#guard(() => this.#onState(state)));
    this.#addTrack(offer);
    const answer = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#giveUp(new DhError('stage_unavailable', 'The media port gave no address in time.')),
        GATHERING_LIMIT_MS,
      );
      this.#giveUp = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      connection.onGatheringStateChange((state) =>
        this.#guard(() => {
          if (state !== 'complete') return;
          const description = connection.localDescription();
          if (description === null) return;
          clearTimeout(timer);
          resolve(description.sdp);
        }),
      );
    });
    // Closing before anybody waits is no unhandled rejection.
    answer.catch(() => undefined);
    connection.setRemoteDescription(offer.sdp, 'offer');
    connection.setLocalDescription('answer');
    return answer;
  }

  /**
   * One track for both streams: SRTP does not ask whose packet it is, and RTCP is handed over unread. It receives as well,
   * though nothing is to come: what a viewer sends nevertheless would otherwise go unseen.
   */
  #addTrack(offer: CheckedOffer): void {
    const { mid, payloadType, format } = offer[offer.carrier]!;
    const media = offer.carrier === 'video' ? new Video(mid, 'SendRecv') : new Audio(mid, 'SendRecv');
    if (media instanceof Video && offer.video?.codec === 'vp8') media.addVP8Codec(payloadType);
    else if (media instanceof Video) media.addH264Codec(payloadType, format);
    else media.addOpusCodec(payloadType, format);
    this.#track = this.#connection.addTrack(media);
    this.#track.onOpen(() => this.#guard(() => this.#connectWhenOpen()));
    this.#track.onMessage((data) => this.#guard(() => this.#events.onPacket(data)));
  }

  #onState(state: string): void {
    if (state === 'closed') this.#end();
    if (state === 'connected') this.#connectWhenOpen();
    if ((state === 'failed' || state === 'closed') && !this.#over) this.#events.onGone();
  }

  /** Nothing native is at work any more. */
  #end(): void {
    this.#ended = true;
    alive.delete(this);
    if (this.#over) this.#track = null;
  }

  #connectWhenOpen(): void {
    if (this.#connected || this.#over || this.#connection.state() !== 'connected') return;
    if (this.#track?.isOpen() !== true) return;
    this.#connected = true;
    this.#events.onConnected();
  }

  /** An exception in a callback of the library ends the process without `uncaughtException`. */
  #guard(callback: () => void): void {
    try {
      callback();
    } catch {
      // Whoever was called counts his own mistakes; here there is nobody to tell.
    }
  }
}
