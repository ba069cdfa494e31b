import { type AccessUnit, type Clock, type Closable, FRAME_RATE, VIDEO_CLOCK_RATE } from '../units.js';
import { H264Packetiser } from './h264-packetiser.js';
import { IDR_WINDOW_MS, IdrGate } from './idr-gate.js';
import { PacketRing } from './packet-ring.js';
import { MAX_PAYLOAD_BYTES, type VideoCodec } from './rtp.js';
import type { PictureSource, Viewer } from './viewer.js';
import { Vp8Packetiser } from './vp8-packetiser.js';

/** Enough for 2 s of 1080p at 6 Mbit/s. */
export const VIDEO_HISTORY_PACKETS = 1024;
/** A socket's send buffer takes this many packets at once without loss. */
const BURST_PACKETS = 200;
const PACE_STEPS = 5;
const PACE_STEP_MS = 4;
/** Packets between two pictures that may go into catching up: a crowd waits for the keyframe that serves all of it. */
const CATCH_UP_PACKETS = 1000;

/** What all encodings of a session did since it began; counted here, owned by the hub. */
export interface VideoCounts {
  pictures: number;
  videoPackets: number;
  /** Pictures that were spread over some milliseconds. */
  pacedPictures: number;
  /** Pictures that were too long to be sent. */
  refusedPictures: number;
}

/** One encoding of a session's pictures on its way to the viewers that take it. */
export class VideoFanout implements PictureSource, Closable {
  readonly ring = new PacketRing(VIDEO_HISTORY_PACKETS, MAX_PAYLOAD_BYTES);
  readonly #packetiser: H264Packetiser | Vp8Packetiser;
  readonly #gate: IdrGate;
  readonly #clock: Clock;
  readonly #counts: VideoCounts;
  readonly #sendStep = (): void => this.#continuePicture();
  #viewers: readonly Viewer[] = [];
  #pacer: NodeJS.Timeout | null = null;
  #nextPacket = 0;
  #stepPackets = 0;
  /** First packet of the last keyframe, if all pictures since then can be sent, and when it was made. */
  #keyFrame: { packet: number; atMs: number } | null = null;
  #catchUpPackets = 0;

  /** @param requestIdr asks the encoder that its next picture be a keyframe */
  constructor(codec: VideoCodec, requestIdr: () => void, clock: Clock, counts: VideoCounts) {
    this.#packetiser = codec === 'h264' ? new H264Packetiser(this.ring) : new Vp8Packetiser(this.ring);
    this.#gate = new IdrGate(requestIdr, clock);
    this.#clock = clock;
    this.#counts = counts;
  }

  /** Those that take this encoding, also while they connect. A new list when it changes: the old one is kept. */
  get viewers(): readonly Viewer[] {
    return this.#viewers;
  }

  set viewers(viewers: readonly Viewer[]) {
    this.#viewers = viewers;
  }

  /** Whether somebody gets to see its pictures now. */
  get watched(): boolean {
    return this.#viewers.some(({ connected }) => connected);
  }

  requestIdr(): void {
    this.#gate.request();
  }

  /** Sends one picture. `unit.data` is only read during the call. */
  send(unit: AccessUnit): void {
    if (unit.keyFrame) this.#gate.made();
    else this.#gate.poll();
    this.#finishPicture();
    const { refused } = this.#packetiser;
    const packets = this.#packetiser.push(unit.data, (unit.frame * VIDEO_CLOCK_RATE) / FRAME_RATE);
    this.#counts.refusedPictures += this.#packetiser.refused - refused;
    this.#counts.pictures += 1;
    this.#nextPacket = this.ring.end - packets;
    if (packets === 0) this.#keyFrame = null;
    else if (unit.keyFrame) this.#keyFrame = { packet: this.#nextPacket, atMs: this.#clock() };
    this.#catchUpPackets = 0;
    let receivers = 0;
    for (const viewer of this.#viewers) {
      if (packets === 0) viewer.losePicture();
      else if (viewer.beginPicture(unit.keyFrame)) receivers += 1;
    }
    if (packets * receivers > BURST_PACKETS) {
      this.#counts.pacedPictures += 1;
      const steps = Math.min(PACE_STEPS, Math.ceil((packets * receivers) / BURST_PACKETS) + 1);
      this.#stepPackets = Math.ceil(packets / steps);
      this.#continuePicture();
    } else {
      this.#finishPicture();
    }
  }

  /** Sends a viewer that has just joined what the others got since the last keyframe; false if that is old or much. */
  catchUp(viewer: Viewer): boolean {
    if (this.#keyFrame === null || this.#clock() - this.#keyFrame.atMs >= IDR_WINDOW_MS) return false;
    const { packet: begin } = this.#keyFrame;
    const end = this.#nextPacket;
    if (!this.ring.has(begin) || this.#catchUpPackets + end - begin > CATCH_UP_PACKETS) return false;
    this.#catchUpPackets += end - begin;
    viewer.catchUp(begin, end);
    return true;
  }

  close(): void {
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    this.#pacer = null;
    this.#viewers = [];
  }

  /** Sends the next part of a big picture, and sees to the one after it. */
  #continuePicture(): void {
    this.#pacer = null;
    const { end } = this.ring;
    this.#sendPackets(Math.min(end, this.#nextPacket + this.#stepPackets));
    if (this.#nextPacket < end) this.#pacer = setTimeout(this.#sendStep, PACE_STEP_MS);
  }

  /** Sends all that is left of the picture: the next one is never begun before. */
  #finishPicture(): void {
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    this.#pacer = null;
    this.#sendPackets(this.ring.end);
  }

  #sendPackets(end: number): void {
    for (; this.#nextPacket < end; this.#nextPacket += 1) {
      this.#counts.videoPackets += 1;
      for (const viewer of this.#viewers) viewer.sendPicturePacket(this.#nextPacket);
    }
  }
}
