import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_VP9,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { FFmpegError, FormatContext, Packet, Rational, type CodecParameters, type Stream } from 'node-av/lib';
import { SAMPLE_RATE } from '../units.js';
import { diskError } from './disk-error.js';
import type { OutputSettings, VideoFormat } from './output.js';

const SAMPLES = new Rational(1, SAMPLE_RATE);

/** What a file has to know before its first packet. */
export interface VideoHead extends Pick<OutputSettings, 'width' | 'height' | 'rate'> {
  /** Of H.264: the parameter sets, or what an MP4 says of them. */
  videoExtradata: Buffer | null;
  describeSound: (parameters: CodecParameters) => void;
}

/**
 * Muxes packets that are already encoded into an MP4 or a WebM; all times are samples at 48 kHz. It is written under
 * a hidden name beside `path` and renamed when it is whole and on the disk, so nobody ever sees half a file. What goes
 * wrong with the disk is thrown as DhError `disk_full` or `write_failed`; call `abort` then.
 */
export class VideoFile {
  readonly #path: string;
  readonly #hidden: string;
  readonly #format = new FormatContext();
  readonly #packet = new Packet();
  readonly #type: VideoFormat;
  #video: Stream | null = null;
  #sound: Stream | null = null;
  #state: 'open' | 'finished' | 'aborted' = 'open';

  private constructor(path: string, format: VideoFormat) {
    this.#path = path;
    this.#hidden = hiddenPath(path);
    this.#type = format;
    this.#packet.alloc();
  }

  /** Makes the hidden file, and its folder. */
  static async create(path: string, format: VideoFormat): Promise<VideoFile> {
    const file = new VideoFile(path, format);
    try {
      await mkdir(dirname(path), { recursive: true });
      file.#check(file.#format.allocOutputContext2(null, format, file.#hidden));
      if (format === 'mp4') file.#check(file.#format.setOption('movflags', '+faststart'));
      file.#check(file.#format.setOption('fflags', '+bitexact'));
      file.#check(file.#format.openOutputSync());
    } catch (error) {
      await file.abort();
      throw diskError(path, error);
    }
    return file;
  }

  /** Writes the head; packets follow. */
  begin({ width, height, rate, videoExtradata, describeSound }: VideoHead): void {
    const video = this.#format.newStream();
    const { codecpar } = video;
    codecpar.codecType = AVMEDIA_TYPE_VIDEO;
    codecpar.codecId = this.#type === 'mp4' ? AV_CODEC_ID_H264 : AV_CODEC_ID_VP9;
    codecpar.format = AV_PIX_FMT_YUV420P;
    codecpar.width = width;
    codecpar.height = height;
    codecpar.colorRange = AVCOL_RANGE_MPEG;
    codecpar.colorSpace = AVCOL_SPC_BT709;
    codecpar.colorPrimaries = AVCOL_PRI_BT709;
    codecpar.colorTrc = AVCOL_TRC_BT709;
    if (videoExtradata) codecpar.extradata = videoExtradata;
    video.timeBase = SAMPLES;
    video.avgFrameRate = new Rational(rate.num, rate.den);
    const sound = this.#format.newStream();
    describeSound(sound.codecpar);
    sound.timeBase = SAMPLES;
    this.#check(this.#format.writeHeaderSync());
    this.#video = video;
    this.#sound = sound;
  }

  /** Writes a picture that is seen for `duration` from `pts` on. The bytes are not kept. */
  writePicture(data: Uint8Array, pts: number, duration: number, keyFrame: boolean): void {
    const packet = this.#packet;
    packet.data = Buffer.from(data.buffer, data.byteOffset, data.length);
    packet.isKeyframe = keyFrame;
    this.#write(packet, this.#video, pts, duration);
  }

  /** Writes a packet of sound; the packet is emptied. */
  writeSound(packet: Packet, pts: number, duration: number): void {
    this.#write(packet, this.#sound, pts, duration);
  }

  /** Writes the index and gives the file its name. Returns its size in bytes. */
  async finish(): Promise<number> {
    try {
      this.#check(this.#format.writeTrailerSync());
      this.#format.flushSync();
      this.#check(this.#format.pb?.error ?? 0);
      this.#state = 'finished';
      this.#free();
      const handle = await open(this.#hidden, 'r+');
      let bytes: number;
      try {
        await handle.sync();
        bytes = (await handle.stat()).size;
      } finally {
        await handle.close();
      }
      await rename(this.#hidden, this.#path);
      return bytes;
    } catch (error) {
      await rm(this.#hidden, { force: true }).catch(() => undefined);
      throw diskError(this.#path, error);
    }
  }

  /** Stops and removes what was written. Harmless when there is nothing left to stop. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#free();
    await rm(this.#hidden, { force: true }).catch(() => undefined);
  }

  #write(packet: Packet, stream: Stream | null, pts: number, duration: number): void {
    if (this.#state !== 'open') throw new RangeError(`the file is ${this.#state}`);
    if (stream === null) throw new RangeError('the file has no head yet');
    packet.pts = packet.dts = BigInt(pts);
    packet.duration = BigInt(duration);
    packet.streamIndex = stream.index;
    packet.rescaleTs(SAMPLES, stream.timeBase);
    this.#check(this.#format.interleavedWriteFrameSync(packet));
    packet.unref();
  }

  #check(status: number): void {
    if (status < 0) throw diskError(this.#path, new FFmpegError(status));
  }

  #free(): void {
    this.#format.closeOutputSync();
    this.#format.freeContext();
    this.#packet.free();
  }
}

/** The name under which a file is written until it is whole. */
export function hiddenPath(path: string, pid = process.pid): string {
  return join(dirname(path), `.${basename(path)}.${pid}.part`);
}
