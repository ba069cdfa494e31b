import { resolve } from 'node:path';
import type { Packet } from 'node-av/lib';
import type { PooledFrame } from '../frames/frame-pool.js';
import { AacEncoder } from '../stream/encoders/aac-encoder.js';
import { parameterSets } from '../stream/encoders/parameter-sets.js';
import type { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, FRAME_RATE, type AccessUnit } from '../units.js';
import { VideoFile } from './video-file.js';

export interface Mp4WriterOptions {
  /** Where the file appears when it is whole; a file that is there is replaced then. Folders are made. */
  path: string;
  /** Encodes the pictures; stays the caller's. */
  video: VideoEncoder;
  /** Bit rate of the sound (AAC); default 128. */
  soundKbps?: number;
}

/**
 * Encodes pictures at 25 a second and sound as they come, and writes them as H.264 and AAC into an MP4 (see
 * `VideoFile`). Sound and picture start together: the edit list takes AAC's priming off. What goes wrong with the disk
 * is thrown as DhError; call `abort` then.
 */
export class Mp4Writer {
  readonly #file: VideoFile;
  readonly #video: VideoEncoder;
  readonly #sound: AacEncoder;
  /** Sound that came before the first picture: the head needs the picture's parameter sets. */
  #early: Packet[] = [];
  #begun = false;
  #ended = false;

  private constructor(file: VideoFile, { video, soundKbps = 128 }: Mp4WriterOptions) {
    this.#file = file;
    this.#video = video;
    this.#sound = new AacEncoder({ bitrateKbps: soundKbps });
  }

  /** Makes the hidden file. Throws DhError when it cannot be made. */
  static async open(options: Mp4WriterOptions): Promise<Mp4Writer> {
    return new Mp4Writer(await VideoFile.create(resolve(options.path), 'mp4'), options);
  }

  /** Encodes and writes picture `n`, counted from 0. The frame is not kept. */
  writePicture(frame: PooledFrame, n: number): void {
    this.#mustBeOpen();
    const unit = this.#video.encode(frame, n, n === 0);
    if (!this.#begun) this.#begin(unit);
    this.#file.writePicture(unit.data, n * CHUNK_SAMPLES, CHUNK_SAMPLES, unit.keyFrame);
  }

  /** Encodes and writes the sound that follows: 48 kHz mono, any length. The samples are not kept. */
  writeSound(samples: Int16Array): void {
    this.#mustBeOpen();
    this.#sound.encode(samples, this.#writeSoundPacket);
  }

  /** Writes the rest and the index and gives the file its name. Throws RangeError when there is no picture. */
  async finish(): Promise<void> {
    this.#mustBeOpen();
    if (!this.#begun) throw new RangeError('a video needs at least one picture');
    this.#sound.flush(this.#writeSoundPacket);
    this.#free();
    await this.#file.finish();
  }

  /** Stops and removes what was written. Harmless when there is nothing left to stop. */
  async abort(): Promise<void> {
    this.#free();
    await this.#file.abort();
  }

  readonly #writeSoundPacket = (packet: Packet): void => {
    if (this.#begun) return this.#file.writeSound(packet, Number(packet.pts), Number(packet.duration));
    const copy = packet.clone();
    if (copy === null) throw new Error('no memory for a packet');
    this.#early.push(copy);
  };

  #begin(first: AccessUnit): void {
    const { width, height } = this.#video;
    this.#file.begin({
      width,
      height,
      rate: { num: FRAME_RATE, den: 1 },
      videoExtradata: parameterSets(first.data),
      describeSound: (parameters) => this.#sound.describe(parameters),
    });
    this.#begun = true;
    for (const packet of this.#early.splice(0)) {
      this.#writeSoundPacket(packet);
      packet.free();
    }
  }

  #mustBeOpen(): void {
    if (this.#ended) throw new RangeError('the file is finished or aborted');
  }

  #free(): void {
    this.#ended = true;
    this.#sound.close();
    for (const packet of this.#early.splice(0)) packet.free();
  }
}
