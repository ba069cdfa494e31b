import type { BakedAvatar } from '../avatar/baked.js';
import { Fit } from '../frames/fit.js';
import { IdleCadence } from '../frames/idle-cadence.js';
import { RateMeter } from '../frames/rate-meter.js';
import { FrameLoop } from '../frames/frame-loop.js';
import { FramePool } from '../frames/frame-pool.js';
import { NativePicture } from '../frames/native-picture.js';
import { drawTimeCode } from '../frames/time-code.js';
import { OpusEncoder } from '../stream/encoders/opus-encoder.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { StreamHub } from '../stream/stream-hub.js';
import { CHUNK_SAMPLES, FRAME_MS, FRAME_RATE, type AudioChunk, type Closable, type SpeechPiece } from '../units.js';
import type { IdleQuality, SessionProfile } from '../config/schema.js';
import type { StageOptions } from './options.js';
import { PictureMaker } from '../frames/picture-maker.js';
import type { Interrupted, SessionSpec, StageSessionStats, UtteranceSpec } from './protocol.js';
import { SoundInput } from './sound-input.js';

export interface StageSessionEvents {
  started(utteranceId: string, frame: number): void;
  ended(utteranceId: string, playedMs: number): void;
  viewersChanged(count: number): void;
  warning(code: string, message: string): void;
}

const SILENCE = new Int16Array(CHUNK_SAMPLES);

/**
 * One live session, wired: sound → mouth → picture → encoders → viewers, on one clock. Pictures are only drawn and
 * encoded while somebody watches; sound and face go on all the time.
 */
export class StageSession implements Closable {
  readonly id: string;
  readonly #sound: SoundInput;
  readonly #pictures: PictureMaker;
  readonly #pool: FramePool;
  readonly #fit = new Fit();
  /** Where the face is drawn when it has another size than the output; null: straight into the pooled frame. */
  readonly #canvas: NativePicture | null;
  readonly #video: VideoEncoder;
  readonly #opus: OpusEncoder;
  #profile: SessionProfile;
  readonly #cadence: IdleCadence;
  readonly #due = new RateMeter(FRAME_RATE, () => performance.now());
  #bitrateShare = 1;
  readonly #hub: StreamHub;
  readonly #loop: FrameLoop;
  readonly #timecode: boolean;
  readonly #ahead: AudioChunk[] = [];
  readonly #events: StageSessionEvents;
  #originWallMs: number;
  #frame = 0;
  #forceIdr = false;
  #closed = false;

  constructor(spec: SessionSpec, options: StageOptions, baked: BakedAvatar, seed: number, events: StageSessionEvents) {
    const { width, height, maxQueueSize, framePoolSize, bitrateKbps, x264Preset, opusBitrateKbps } = spec.profile;
    this.id = spec.id;
    this.#profile = spec.profile;
    this.#cadence = new IdleCadence(spec.profile.idleQuality);
    this.#events = events;
    this.#timecode = options.debugTimecode;
    this.#sound = new SoundInput(maxQueueSize, {
      started: (id) => events.started(id, this.#frame),
      ended: (id, playedMs) => {
        this.#pictures.mouth.forget(id);
        events.ended(id, playedMs);
      },
    });
    this.#pictures = new PictureMaker(baked, seed);
    this.#pool = new FramePool({ width, height, size: framePoolSize });
    const { pictureWidth, pictureHeight } = this.#pictures;
    const exact = pictureWidth === width && pictureHeight === height;
    this.#canvas = exact ? null : new NativePicture(pictureWidth, pictureHeight);
    this.#video = new VideoEncoder({ width, height, bitrateKbps, x264Preset });
    this.#opus = new OpusEncoder({ bitrateKbps: opusBitrateKbps });
    this.#warmUp();
    this.#loop = new FrameLoop({
      onTick: (n, draw) => this.#tick(n, draw),
      onStall: (stalledMs) => {
        this.#originWallMs += stalledMs;
        this.#hub.moveOrigin(stalledMs);
        events.warning('stalled', `The process stood still for ${Math.round(stalledMs)} ms; the sound went on late.`);
      },
      onError: (error) => events.warning('internal', error instanceof Error ? error.message : String(error)),
    });
    this.#originWallMs = performance.timeOrigin + this.#loop.start();
    this.#hub = new StreamHub({
      originWallMs: this.#originWallMs,
      requestIdr: () => (this.#forceIdr = true),
      udpPort: options.mediaPort,
      bindAddress: options.bindAddress,
      ...(options.publicIp ? { publicIp: options.publicIp } : {}),
      maxViewers: spec.maxViewers,
      onViewersChanged: (count) => events.viewersChanged(count),
    });
  }

  begin(spec: UtteranceSpec): void {
    this.#forgetCurrent();
    this.#sound.begin(spec);
  }

  push(utteranceId: string, slice: SpeechPiece): Promise<void> {
    if (slice.cues && this.#sound.utterance?.id === utteranceId) this.#pictures.mouth.addCues(utteranceId, slice.cues);
    return this.#sound.push(utteranceId, slice);
  }

  end(utteranceId: string): void {
    this.#sound.end(utteranceId);
  }

  interrupt(): Interrupted {
    this.#forgetCurrent();
    this.#pictures.mouth.reset();
    return this.#sound.interrupt();
  }

  addViewer(id: string, offerSdp: string): Promise<string> {
    return this.#hub.addViewer(id, offerSdp);
  }

  removeViewer(id: string): boolean {
    return this.#hub.removeViewer(id);
  }

  /** Whether a profile can only be had with another encoder. */
  needsNewEncoder({ width, height, x264Preset }: SessionProfile): boolean {
    const { width: oldWidth, height: oldHeight, x264Preset: oldPreset } = this.#profile;
    return width !== oldWidth || height !== oldHeight || x264Preset !== oldPreset;
  }

  /** Takes on what changes in a running session without a new encoder. */
  update(profile: SessionProfile, maxViewers: number): void {
    this.#sound.resize(profile.maxQueueSize);
    this.#video.setBitrate(profile.bitrateKbps * this.#bitrateShare, profile.bitrateKbps);
    this.#cadence.wanted = profile.idleQuality;
    this.#hub.setMaxViewers(maxViewers);
    this.#profile = profile;
  }

  /** Keeps idle pictures at or below a quality, whatever the profile says. */
  capIdleQuality(quality: IdleQuality): void {
    this.#cadence.cap = quality;
  }

  /** Frames and chunks that are out: none after `close`. */
  get outstanding(): { frames: number; chunks: number } {
    return { frames: this.#pool.stats().outstanding, chunks: this.#sound.outstanding };
  }

  get viewerCount(): number {
    return this.#hub.viewerCount;
  }

  stats(): StageSessionStats {
    const { fps, processingMs, skipped, ticks } = this.#loop.stats();
    const { length, capacity, drops } = this.#sound.queue.stats();
    const { size, outstanding, misses } = this.#pool.stats();
    const utterance = this.#sound.utterance;
    return {
      id: this.id,
      state: utterance ? 'speaking' : 'idle',
      utterance,
      queue: { length, capacity, drops },
      pool: { size, outstanding, misses },
      frames: ticks,
      originWallMs: this.#originWallMs,
      skippedFrames: skipped,
      fps,
      targetFps: this.#due.perSecond(FRAME_MS),
      processingMs,
      viewers: this.#hub.stats().viewers,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.close();
    this.#hub.close();
    this.#sound.close();
    this.#pictures.close();
    this.#video.close();
    this.#opus.close();
    this.#fit.close();
    this.#canvas?.close();
    this.#pool.close();
  }

  /** The first picture compiles what draws it, which takes longer than a frame lasts: it is made before the clock runs. */
  #warmUp(): void {
    const frame = this.#pool.acquire();
    if (!frame) return;
    this.#pictures.draw(this.#canvas ?? frame, 0);
    this.#pool.release(frame);
  }

  /** Returns whether a picture was made. */
  #tick(n: number, draw: boolean): boolean {
    if (this.#closed) return false;
    this.#frame = n;
    const chunk = this.#sound.next(this.#ahead);
    const fade = this.#sound.takeFade();
    this.#hub.sendAudio(
      this.#opus.encode(fade ?? chunk?.samples ?? SILENCE, n * CHUNK_SAMPLES - this.#opus.delaySamples),
    );
    this.#pictures.advance(n, chunk, this.#ahead);
    const drawn = this.#isDue(n, fade !== null) && draw && this.#picture(n);
    if (chunk) {
      this.#sound.played(chunk);
      this.#sound.queue.release(chunk);
    }
    return drawn;
  }

  /** Whether somebody should get to see picture `n`. */
  #isDue(n: number, fading: boolean): boolean {
    const due = this.#cadence.due(n, fading || this.#sound.utterance !== null);
    // Whoever waits for a keyframe does not wait for the cadence.
    if (!(due || this.#forceIdr) || this.#hub.viewerCount === 0) return false;
    this.#due.mark();
    return true;
  }

  #picture(n: number): boolean {
    const frame = this.#pool.acquire();
    if (!frame) return false; // counted by the pool
    try {
      if (this.#cadence.bitrateShare !== this.#bitrateShare) {
        this.#bitrateShare = this.#cadence.bitrateShare;
        const { bitrateKbps } = this.#profile;
        this.#video.setBitrate(bitrateKbps * this.#bitrateShare, bitrateKbps);
      }
      if (this.#canvas) {
        this.#pictures.draw(this.#canvas, n);
        this.#fit.fitInto(this.#canvas, frame);
      } else this.#pictures.draw(frame, n);
      if (this.#timecode) drawTimeCode(frame, n);
      const forceIdr = this.#forceIdr;
      this.#forceIdr = false;
      this.#hub.sendVideo(this.#video.encode(frame, n, forceIdr));
      return true;
    } catch (error) {
      this.#events.warning('internal', error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      this.#pool.release(frame);
    }
  }

  #forgetCurrent(): void {
    const { utterance } = this.#sound;
    if (utterance) this.#pictures.mouth.forget(utterance.id);
  }
}
