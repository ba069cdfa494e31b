import type { BakedAvatar } from '../avatar/baked.js';
import type { IdleQuality, SessionProfile } from '../config/schema.js';
import { DhError } from '../errors.js';
import { FADE } from '../audio/audio-queue.js';
import { FrameLoop } from '../frames/frame-loop.js';
import { IdleCadence } from '../frames/idle-cadence.js';
import { PictureMaker } from '../frames/picture-maker.js';
import { RateMeter } from '../frames/rate-meter.js';
import { drawTimeCode } from '../frames/time-code.js';
import { Transition } from '../frames/transition.js';
import type { Loan } from '../guard/image-cache.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import { LiveOpus } from '../stream/encoders/live-opus.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import type { CheckedOffer } from '../stream/sdp-offer.js';
import { StreamHub } from '../stream/stream-hub.js';
import {
  CHUNK_SAMPLES,
  FRAME_MS,
  FRAME_RATE,
  type AudioChunk,
  type Closable,
  type Clock,
  type SpeechSlice,
} from '../units.js';
import { Drawing } from './drawing.js';
import type { StageOptions } from './options.js';
import type { Interrupted, SessionSpec, StageSessionStats, UtteranceSpec } from './protocol.js';
import { SessionMemory } from './session-memory.js';
import { SoundInput } from './sound-input.js';
import { VideoEncoders } from './video-encoders.js';

export interface StageSessionEvents {
  started(utteranceId: string, frame: number): void;
  played(utteranceId: string, playedSamples: number): void;
  ended(utteranceId: string, playedMs: number): void;
  viewersChanged(count: number): void;
  warning(code: string, message: string): void;
}

/** What a session gets from its stage. */
export interface StageSessionParts {
  options: StageOptions;
  /** Loads a drawn avatar, or shares it. */
  borrow(bakedPath: string): Promise<Loan<BakedAvatar>>;
  /** Of the face's own movements. */
  seed: number;
  events: StageSessionEvents;
}

/** What `update` changes. */
export interface SessionChange {
  profile: SessionProfile;
  /** Another avatar, or the same for another size; null: as it is. */
  bakedPath: string | null;
  maxViewers: number;
}

const SILENCE = new Int16Array(CHUNK_SAMPLES);
/** Lost sound of a live source is reported at most this often, in frames: once a second. */
const REPORT_INTERVAL_FRAMES = FRAME_RATE;
const clock: Clock = () => performance.now();
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * One live session, wired: sound → mouth → picture → encoders → viewers, on one clock. Pictures are only drawn and
 * encoded while somebody watches; sound and face go on all the time.
 */
export class StageSession implements Closable {
  readonly id: string;
  readonly #borrow: StageSessionParts['borrow'];
  readonly #events: StageSessionEvents;
  readonly #timecode: boolean;
  readonly #sound: SoundInput;
  readonly #pictures: PictureMaker;
  readonly #video: VideoEncoders;
  readonly #opus: LiveOpus;
  readonly #hub: StreamHub;
  readonly #loop: FrameLoop;
  readonly #memory: SessionMemory;
  readonly #cadence: IdleCadence;
  readonly #due = new RateMeter(FRAME_RATE, clock);
  #watched = false;
  readonly #ahead: AudioChunk[] = [];
  #profile: SessionProfile;
  #avatar: Loan<BakedAvatar>;
  #bakedPath: string;
  #drawing: Drawing;
  #transition: Transition | null = null;
  #originWallMs: number;
  #frame = 0;
  /** Lost sound of live sources that was not reported yet, and the frame from which it may be. */
  #droppedSamples = 0;
  #reportDroppedAt = 0;
  #updates: Promise<unknown> = Promise.resolve();
  /** Frames that replaced pools had not got back: 0 unless there is a defect. */
  #lostFrames = 0;
  #closed = false;

  /** Loads the avatar, allocates everything and starts the clock. Throws `avatar_invalid`; then nothing is left. */
  static async open(spec: SessionSpec, parts: StageSessionParts): Promise<StageSession> {
    const avatar = await parts.borrow(spec.bakedPath);
    const made: Closable[] = [{ close: () => avatar.release() }];
    const keep = <T extends Closable>(part: T): T => {
      made.unshift(part);
      return part;
    };
    try {
      const drawing = keep(await Drawing.prepare(avatar.value, spec.profile, breathe));
      return new StageSession(spec, parts, avatar, drawing, keep);
    } catch (error) {
      for (const part of made) void part.close();
      throw error;
    }
  }

  /** `keep` notes each part that is to be closed should a later one fail. */
  private constructor(
    spec: SessionSpec,
    parts: StageSessionParts,
    avatar: Loan<BakedAvatar>,
    drawing: Drawing,
    keep: <T extends Closable>(part: T) => T,
  ) {
    const { options, events } = parts;
    const { opusBitrateKbps, idleQuality } = spec.profile;
    this.id = spec.id;
    this.#profile = spec.profile;
    this.#borrow = (path) => parts.borrow(path);
    this.#events = events;
    this.#timecode = options.debugTimecode;
    this.#avatar = avatar;
    this.#bakedPath = spec.bakedPath;
    this.#drawing = drawing;
    this.#cadence = new IdleCadence(idleQuality);
    this.#sound = keep(
      new SoundInput(spec.profile, {
        started: (id) => events.started(id, this.#frame),
        ended: (id, playedMs) => {
          this.#pictures.mouth.forget(id);
          events.ended(id, playedMs);
        },
        dropped: (_id, samples) => (this.#droppedSamples += samples),
      }),
    );
    this.#pictures = keep(new PictureMaker(drawing.engine, parts.seed));
    this.#video = keep(new VideoEncoders(spec.profile));
    this.#opus = keep(new LiveOpus({ bitrateKbps: opusBitrateKbps }));
    this.#originWallMs = performance.timeOrigin + clock();
    this.#hub = keep(
      new StreamHub({
        originWallMs: this.#originWallMs,
        requestIdr: (codec) => this.#video.requestKeyFrame(codec),
        udpPort: options.mediaPort,
        bindAddress: options.bindAddress,
        ...(options.publicIp ? { publicIp: options.publicIp } : {}),
        maxViewers: spec.maxViewers,
        onViewersChanged: (count) => events.viewersChanged(count),
      }),
    );
    this.#warmUp();
    this.#loop = new FrameLoop({
      onTick: (n, draw) => this.#tick(n, draw),
      onStall: (stalledMs) => {
        this.#moveOrigin(stalledMs);
        events.warning('stalled', `The process stood still for ${Math.round(stalledMs)} ms; the sound went on late.`);
      },
      onError: (error) => events.warning('internal', error instanceof Error ? error.message : String(error)),
    });
    const held = () => ({
      drawing: this.#drawing,
      transition: this.#transition,
      video: this.#video,
      opus: this.#opus,
      sound: this.#sound,
      hub: this.#hub,
    });
    this.#memory = new SessionMemory(spec.id, held, memoryRegistry);
    this.#moveOrigin(performance.timeOrigin + this.#loop.start() - this.#originWallMs);
  }

  begin(spec: UtteranceSpec): void {
    this.#forgetCurrent();
    this.#sound.begin(spec);
  }

  push(utteranceId: string, slice: SpeechSlice): Promise<void> {
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

  addViewer(id: string, offer: CheckedOffer): Promise<string> {
    return this.#hub.addViewer(id, offer);
  }

  hasViewer(id: string): boolean {
    return this.#hub.hasViewer(id);
  }

  removeViewer(id: string): boolean {
    return this.#hub.removeViewer(id);
  }

  /**
   * Takes on another profile while it runs, one change after the other. What is new is made beside the old and takes its
   * place between two ticks; when it cannot be made, nothing has changed. `idr`: viewers got a new encoder's keyframe.
   */
  update(change: SessionChange): Promise<{ idr: boolean }> {
    const done = this.#updates.then(() => this.#apply(change));
    this.#updates = done.catch(() => undefined);
    return done;
  }

  /** Keeps idle pictures at or below a quality, whatever the profile says. */
  capIdleQuality(quality: IdleQuality): void {
    this.#cadence.cap = quality;
  }

  /** Frames and chunks that are out: none after `close`. */
  get outstanding(): { frames: number; chunks: number } {
    return { frames: this.#lostFrames + this.#drawing.pool.stats().outstanding, chunks: this.#sound.outstanding };
  }

  get viewerCount(): number {
    return this.#hub.viewerCount;
  }

  /** Memory that it holds for itself. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  stats(): StageSessionStats {
    const { fps, processingMs, skipped, ticks } = this.#loop.stats();
    const { length, capacity, drops } = this.#sound.queue.stats();
    const { size, outstanding, misses } = this.#drawing.pool.stats();
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
    this.#memory.close();
    this.#loop.close();
    this.#hub.close();
    this.#sound.close();
    this.#pictures.close();
    this.#endTransition();
    this.#video.close();
    this.#opus.close();
    this.#drawing.close();
    this.#avatar.release();
  }

  #moveOrigin(ms: number): void {
    this.#originWallMs += ms;
    this.#hub.moveOrigin(ms);
  }

  /** The first picture compiles what draws it, which takes longer than a frame lasts: it is made before the clock runs. */
  #warmUp(): void {
    const frame = this.#drawing.pool.acquire();
    if (!frame) return;
    this.#drawing.draw(this.#pictures, frame, 0);
    this.#drawing.pool.release(frame);
  }

  async #apply({ profile, bakedPath, maxViewers }: SessionChange): Promise<{ idr: boolean }> {
    this.#mustBeOpen();
    const { width, height, x264Preset } = this.#profile;
    const resized = profile.width !== width || profile.height !== height;
    let avatar: Loan<BakedAvatar> | null = null;
    let drawing: Drawing | null = null;
    let video: VideoEncoder | null = null;
    try {
      if (bakedPath !== null && bakedPath !== this.#bakedPath) avatar = await this.#borrow(bakedPath);
      if (avatar || resized) {
        drawing = await Drawing.prepare((avatar ?? this.#avatar).value, profile, breathe);
      }
      if (resized || profile.x264Preset !== x264Preset) {
        video = new VideoEncoder(profile);
        await this.#warmEncoder(video, drawing ?? this.#drawing);
      }
      this.#mustBeOpen();
    } catch (error) {
      video?.close();
      drawing?.close();
      avatar?.release();
      throw error;
    }
    // From here on nothing waits: the next tick finds all of it changed.
    if (avatar) {
      this.#avatar.release();
      this.#avatar = avatar;
      this.#bakedPath = bakedPath ?? this.#bakedPath;
    }
    if (drawing) this.#show(drawing, profile);
    else this.#drawing.pool.resize(profile.framePoolSize);
    this.#video.configure(profile, video);
    this.#profile = profile;
    this.#opus.setBitrate(profile.opusBitrateKbps);
    this.#sound.configure(profile);
    this.#cadence.wanted = profile.idleQuality;
    this.#hub.setMaxViewers(maxViewers);
    return { idr: video !== null };
  }

  #show(drawing: Drawing, profile: SessionProfile): void {
    const old = this.#drawing;
    if (this.#hub.viewerCount > 0 && profile.transitionFrames > 0) this.#fadeFrom(old, profile);
    this.#drawing = drawing;
    this.#pictures.show(drawing.engine);
    old.close();
    this.#lostFrames += old.pool.stats().outstanding;
  }

  /** The face as it is now, drawn once more by what is about to go, is what the next frames fade from. */
  #fadeFrom(old: Drawing, profile: SessionProfile): void {
    const frame = old.pool.acquire();
    if (!frame) return;
    old.draw(this.#pictures, frame, this.#frame);
    this.#endTransition();
    this.#transition = new Transition(frame, profile, profile.transitionFrames);
    old.pool.release(frame);
  }

  #endTransition(): void {
    this.#transition?.close();
    this.#transition = null;
  }

  /** Only while somebody watches: an encoder that encodes nothing holds next to no memory. */
  async #warmEncoder(video: VideoEncoder, drawing: Drawing): Promise<void> {
    const frame = this.#hub.viewerCount > 0 ? drawing.pool.acquire() : null;
    if (!frame) return;
    try {
      // Draws with the new engine and no pose of its own; the face that is shown stays as it is.
      if (drawing !== this.#drawing) drawing.drawNeutral(frame);
      await video.warmUp(frame);
    } finally {
      drawing.pool.release(frame);
    }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new DhError('session_not_live', `Session "${this.id}" was closed.`);
  }

  /** Returns whether a picture was made. */
  #tick(n: number, draw: boolean): boolean {
    if (this.#closed) return false;
    this.#frame = n;
    if (this.#droppedSamples > 0 && n >= this.#reportDroppedAt) this.#reportDropped(n);
    const chunk = this.#sound.next(this.#ahead);
    try {
      const sample = n * CHUNK_SAMPLES - this.#opus.delaySamples;
      this.#hub.sendAudio(this.#opus.encode(chunk?.samples ?? SILENCE, sample));
      const fading = chunk?.utteranceId === FADE;
      this.#pictures.advance(n, fading ? null : chunk, this.#ahead);
      return this.#isDue(n, fading) && draw && this.#picture(n);
    } finally {
      if (chunk) this.#played(chunk);
    }
  }

  #played(chunk: AudioChunk): void {
    this.#sound.played(chunk);
    this.#sound.queue.release(chunk);
    const { utterance } = this.#sound;
    if (utterance) this.#events.played(utterance.id, utterance.playedSamples);
  }

  #reportDropped(n: number): void {
    const ms = Math.round((this.#droppedSamples / CHUNK_SAMPLES) * FRAME_MS);
    this.#droppedSamples = 0;
    this.#reportDroppedAt = n + REPORT_INTERVAL_FRAMES;
    this.#events.warning(
      'audio_dropped',
      `${ms} ms of live sound were lost: it came unevenly, or faster than it is played. A larger session.jitterBufferMs loses less, or ?overflow=wait nothing.`,
    );
  }

  /** Whether somebody should get to see picture `n`. */
  #isDue(n: number, fading: boolean): boolean {
    const due = this.#cadence.due(n, fading || this.#transition !== null || this.#sound.utterance !== null);
    const watched = this.#hub.viewerCount > 0;
    // Rates are of the time in which somebody watches: the seconds before would make them look slow.
    if (watched !== this.#watched) {
      this.#watched = watched;
      if (!watched) {
        this.#endTransition();
        this.#video.rest();
      }
      this.#due.start();
      this.#loop.restartRate();
    }
    // Whoever waits for a keyframe does not wait for the cadence.
    if (!(due || this.#video.keyFrameWanted) || !watched) return false;
    this.#due.mark();
    return true;
  }

  #picture(n: number): boolean {
    const { pool } = this.#drawing;
    const frame = pool.acquire();
    if (!frame) return false; // counted by the pool
    try {
      this.#video.bitrateShare = this.#cadence.bitrateShare;
      this.#drawing.draw(this.#pictures, frame, n);
      if (this.#transition?.blend(frame)) this.#endTransition();
      if (this.#timecode) drawTimeCode(frame, n);
      this.#video.encode(frame, n, this.#hub);
      return true;
    } catch (error) {
      this.#events.warning('internal', error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      pool.release(frame);
    }
  }

  #forgetCurrent(): void {
    const { utterance } = this.#sound;
    if (utterance) this.#pictures.mouth.forget(utterance.id);
  }
}
