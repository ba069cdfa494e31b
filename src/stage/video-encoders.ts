import type { SessionProfile } from '../config/schema.js';
import type { PooledFrame } from '../frames/frame-pool.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { Vp8Encoder } from '../stream/encoders/vp8-encoder.js';
import type { VideoCodec } from '../stream/rtp.js';
import type { StreamHub } from '../stream/stream-hub.js';
import type { Closable } from '../units.js';

/** The video encoders of one session: H.264, and VP8 only while a viewer without H.264 watches. */
export class VideoEncoders implements Closable {
  #profile: SessionProfile;
  #h264: VideoEncoder;
  #vp8: Vp8Encoder | null = null;
  #bitrateShare = 1;
  /** Whose next frame is to be a keyframe. */
  readonly #keyFrames = new Set<VideoCodec>();

  constructor(profile: SessionProfile) {
    this.#profile = profile;
    this.#h264 = new VideoEncoder(profile);
  }

  get bytes(): number {
    return this.#h264.bytes + (this.#vp8?.bytes ?? 0);
  }

  /** Whether somebody waits for a keyframe. */
  get keyFrameWanted(): boolean {
    return this.#keyFrames.size > 0;
  }

  requestKeyFrame(codec: VideoCodec): void {
    this.#keyFrames.add(codec);
  }

  /** Encodes a frame for those who watch, and sends it; the frame stays the caller's. */
  encode(frame: PooledFrame, n: number, hub: Pick<StreamHub, 'watched' | 'sendVideo'>): void {
    if (hub.watched('h264')) hub.sendVideo(this.#h264.encode(frame, n, this.#keyFrames.has('h264')), 'h264');
    if (hub.watched('vp8')) {
      this.#vp8 ??= new Vp8Encoder(this.#profile);
      hub.sendVideo(this.#vp8.encode(frame, n, this.#keyFrames.has('vp8')), 'vp8');
    } else this.#closeVp8();
    // Also of those who left before they got theirs.
    this.#keyFrames.clear();
  }

  /** Nobody watches. */
  rest(): void {
    this.#closeVp8();
  }

  /** Share of the profile's bit rate, from the next frame on. */
  set bitrateShare(share: number) {
    if (share === this.#bitrateShare) return;
    this.#bitrateShare = share;
    this.#applyBitrate();
  }

  /** Takes on another profile; with it an encoder that was made for it, where size or preset are others. */
  configure(profile: SessionProfile, h264: VideoEncoder | null): void {
    const { width, height, bitrateKbps } = this.#profile;
    if (h264) {
      this.#h264.close();
      this.#h264 = h264;
      this.#keyFrames.add('h264');
    }
    // libvpx takes no other size or bit rate while it runs: the next frame makes a new one.
    if (profile.width !== width || profile.height !== height || profile.bitrateKbps !== bitrateKbps) this.#closeVp8();
    this.#profile = profile;
    this.#applyBitrate();
  }

  close(): void {
    this.#h264.close();
    this.#closeVp8();
  }

  #applyBitrate(): void {
    const { bitrateKbps } = this.#profile;
    this.#h264.setBitrate(bitrateKbps * this.#bitrateShare, bitrateKbps);
  }

  #closeVp8(): void {
    this.#vp8?.close();
    this.#vp8 = null;
  }
}
