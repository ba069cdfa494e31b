import { setImmediate } from 'node:timers/promises';
import { AVERROR_EOF, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { FFmpegError, FormatContext, Packet } from 'node-av/lib';
import { FrameGrid } from './frame-grid.js';
import type { OutputSettings } from './output.js';
import { PartFile } from './part-file.js';
import type { PlannedPart } from './plan.js';
import { PartSound } from './sound-encoder.js';
import { SoundTrack, type TrackClip } from './sound-track.js';

/** What one file of the whole is made from. */
export interface FullJob {
  path: string;
  parts: (PlannedPart & { path: string })[];
  clips: TrackClip[];
  totalSamples: number;
  output: OutputSettings;
  signal: AbortSignal;
  onProgress: (samples: number) => void;
}

/** Pictures between two looks at the signal. */
const SLICE_FRAMES = 200;

/**
 * Writes all parts as one file: pictures are copied, the sound is encoded in one piece. Rejects with the disk's error or
 * the signal's reason, and then leaves no file. Returns its size in bytes.
 */
export async function renderFull({
  path,
  parts,
  clips,
  totalSamples,
  output,
  signal,
  onProgress,
}: FullJob): Promise<number> {
  const track = new SoundTrack(clips);
  const sound = new PartSound(output.format, output.soundKbps, totalSamples, (into, at) => track.read(into, at), true);
  let file = null as PartFile | null;
  try {
    for (const part of parts) {
      const grid = new FrameGrid(part.endSample - part.startSample, output.rate);
      let frame = 0;
      const pictures = new VideoPackets(part.path);
      try {
        file ??= await PartFile.open(path, output, {
          videoExtradata: pictures.extradata,
          describeSound: (parameters) => sound.describe(parameters),
        });
        const open = file;
        for (; pictures.next(); frame++) {
          const start = part.startSample + grid.startOf(frame);
          open.writePicture(pictures.data, start, grid.durationOf(frame), pictures.keyFrame);
          sound.encodeUpTo(start + grid.durationOf(frame), (...packet) => open.writeSound(...packet));
          if (frame % SLICE_FRAMES > 0) continue;
          onProgress(start);
          await setImmediate();
          signal.throwIfAborted();
        }
      } finally {
        pictures.close();
      }
      if (frame !== grid.count) throw new Error(`${part.path} holds ${frame} pictures instead of ${grid.count}`);
    }
    if (file === null) throw new RangeError('there are no parts');
    const open = file;
    sound.finish((...packet) => open.writeSound(...packet));
    return await open.finish();
  } catch (error) {
    await file?.abort();
    throw error;
  } finally {
    sound.close();
    track.close();
  }
}

/** The packets of a file's pictures, one after the other. */
class VideoPackets {
  readonly #format = new FormatContext();
  readonly #packet = new Packet();
  readonly #stream: number;
  readonly extradata: Buffer | null;

  constructor(path: string) {
    FFmpegError.throwIfError(this.#format.openInputSync(`file:${path}`), path);
    const stream = this.#format.streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_VIDEO);
    if (stream === undefined) throw new Error(`${path} has no pictures`);
    this.#stream = stream.index;
    this.extradata = stream.codecpar.extradata;
    this.#packet.alloc();
  }

  get data(): Uint8Array {
    return this.#packet.data ?? new Uint8Array(0);
  }

  get keyFrame(): boolean {
    return this.#packet.isKeyframe;
  }

  /** Reads the next one; false at the end. */
  next(): boolean {
    for (;;) {
      this.#packet.unref();
      const status = this.#format.readFrameSync(this.#packet);
      if (status === AVERROR_EOF) return false;
      FFmpegError.throwIfError(status, 'read');
      if (this.#packet.streamIndex === this.#stream) return true;
    }
  }

  close(): void {
    this.#packet.free();
    this.#format.closeInputSync();
  }
}
