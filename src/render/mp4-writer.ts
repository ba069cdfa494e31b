import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  AV_CODEC_ID_H264,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { FFmpegError, FormatContext, Packet, Rational, type Stream } from 'node-av/lib';
import { DhError } from '../errors.js';
import type { PooledFrame } from '../frames/frame-pool.js';
import { AacEncoder } from '../stream/encoders/aac-encoder.js';
import { parameterSets } from '../stream/encoders/parameter-sets.js';
import type { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { FRAME_RATE, SAMPLE_RATE, type AccessUnit } from '../units.js';

export interface Mp4WriterOptions {
  /** Where the file appears when it is whole; a file that is there is replaced then. Folders are made. */
  path: string;
  /** Encodes the pictures; stays the caller's. */
  video: VideoEncoder;
  /** Bit rate of the sound (AAC); default 128. */
  soundKbps?: number;
}

const VIDEO_TIME_BASE = new Rational(1, FRAME_RATE);
const SOUND_TIME_BASE = new Rational(1, SAMPLE_RATE);

/**
 * Writes pictures and sound into an MP4: H.264 and AAC, index in front, sound and picture start together (the edit
 * list takes AAC's priming off). It is written under a temporary name beside `path` and renamed when it is whole, so
 * nobody ever sees half a file. What goes wrong with the disk is thrown as DhError; call `abort` then.
 */
export class Mp4Writer {
  readonly #path: string;
  readonly #partPath: string;
  readonly #video: VideoEncoder;
  readonly #sound: AacEncoder;
  readonly #format = new FormatContext();
  readonly #packet = new Packet();
  /** Sound that came before the first picture: the header needs the picture's parameter sets. */
  #early: Packet[] = [];
  #videoStream: Stream | null = null;
  #soundStream: Stream | null = null;
  #state: 'open' | 'finished' | 'aborted' = 'open';

  private constructor({ path, video, soundKbps = 128 }: Mp4WriterOptions) {
    this.#path = resolve(path);
    this.#partPath = join(dirname(this.#path), `.${basename(this.#path)}.${process.pid}.part`);
    this.#video = video;
    this.#packet.alloc();
    this.#sound = new AacEncoder({ bitrateKbps: soundKbps });
  }

  /** Makes the temporary file. Throws DhError when it cannot be made. */
  static async open(options: Mp4WriterOptions): Promise<Mp4Writer> {
    const writer = new Mp4Writer(options);
    try {
      await mkdir(dirname(writer.#path), { recursive: true });
      writer.#check(writer.#format.allocOutputContext2(null, 'mp4', writer.#partPath));
      writer.#check(writer.#format.setOption('movflags', '+faststart'));
      writer.#check(writer.#format.openOutputSync());
    } catch (error) {
      await writer.abort();
      throw writer.#diskError(error);
    }
    return writer;
  }

  /** Encodes and writes picture `n`, counted from 0. The frame is not kept. */
  writePicture(frame: PooledFrame, n: number): void {
    this.#mustBeOpen();
    const unit = this.#video.encode(frame, n, n === 0);
    if (this.#videoStream === null) this.#begin(unit);
    const packet = this.#packet;
    packet.data = Buffer.from(unit.data.buffer, unit.data.byteOffset, unit.data.length);
    packet.pts = packet.dts = BigInt(n);
    packet.duration = 1n;
    packet.isKeyframe = unit.keyFrame;
    this.#write(packet, this.#videoStream, VIDEO_TIME_BASE);
  }

  /** Encodes and writes the sound that follows: 48 kHz mono, any length. The samples are not kept. */
  writeSound(samples: Int16Array): void {
    this.#mustBeOpen();
    this.#sound.encode(samples, this.#writeSoundPacket);
  }

  /** Writes the rest and the index and gives the file its name. Throws RangeError when there is no picture. */
  async finish(): Promise<void> {
    this.#mustBeOpen();
    if (this.#videoStream === null) throw new RangeError('a video needs at least one picture');
    this.#sound.flush(this.#writeSoundPacket);
    this.#check(this.#format.writeTrailerSync());
    this.#format.flushSync();
    this.#check(this.#format.pb?.error ?? 0);
    this.#state = 'finished';
    this.#free();
    try {
      await rename(this.#partPath, this.#path);
    } catch (error) {
      await rm(this.#partPath, { force: true }).catch(() => undefined);
      throw this.#diskError(error);
    }
  }

  /** Stops and removes what was written. Harmless when there is nothing left to stop. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#free();
    await rm(this.#partPath, { force: true }).catch(() => undefined);
  }

  readonly #writeSoundPacket = (packet: Packet): void => {
    if (this.#soundStream === null) {
      const copy = packet.clone();
      if (copy === null) throw new Error('no memory for a packet');
      this.#early.push(copy);
    } else {
      this.#write(packet, this.#soundStream, SOUND_TIME_BASE);
    }
  };

  #begin(unit: AccessUnit): void {
    const video = this.#format.newStream();
    const { codecpar } = video;
    codecpar.codecType = AVMEDIA_TYPE_VIDEO;
    codecpar.codecId = AV_CODEC_ID_H264;
    codecpar.format = AV_PIX_FMT_YUV420P;
    codecpar.width = this.#video.width;
    codecpar.height = this.#video.height;
    codecpar.colorRange = AVCOL_RANGE_MPEG;
    codecpar.colorSpace = AVCOL_SPC_BT709;
    codecpar.colorPrimaries = AVCOL_PRI_BT709;
    codecpar.colorTrc = AVCOL_TRC_BT709;
    codecpar.extradata = parameterSets(unit.data);
    video.timeBase = VIDEO_TIME_BASE;
    video.avgFrameRate = new Rational(FRAME_RATE, 1);
    const sound = this.#format.newStream();
    this.#sound.describe(sound.codecpar);
    sound.timeBase = SOUND_TIME_BASE;
    this.#check(this.#format.writeHeaderSync());
    this.#videoStream = video;
    this.#soundStream = sound;
    for (const packet of this.#early.splice(0)) {
      this.#write(packet, sound, SOUND_TIME_BASE);
      packet.free();
    }
  }

  #write(packet: Packet, stream: Stream | null, timeBase: Rational): void {
    if (stream === null) return;
    packet.streamIndex = stream.index;
    packet.rescaleTs(timeBase, stream.timeBase);
    this.#check(this.#format.interleavedWriteFrameSync(packet));
    packet.unref();
  }

  #mustBeOpen(): void {
    if (this.#state !== 'open') throw new RangeError(`the file is ${this.#state}`);
  }

  #check(status: number): void {
    if (status < 0) throw this.#diskError(new FFmpegError(status));
  }

  #diskError(cause: unknown): DhError {
    if (cause instanceof DhError) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const full = /no space left|quota/i.test(reason);
    return new DhError(full ? 'disk_full' : 'write_failed', `cannot write ${this.#path}: ${reason}`, {
      hint: 'Check the free space and the permissions of the folder.',
      cause,
    });
  }

  #free(): void {
    this.#format.closeOutputSync();
    this.#format.freeContext();
    this.#sound.close();
    this.#packet.free();
    for (const packet of this.#early.splice(0)) packet.free();
  }
}
