import { AVERROR_EOF, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { FFmpegError, FormatContext, Packet } from 'node-av/lib';
import { FrameGrid, type FrameRate } from './frame-grid.js';
import { interleave, type TimedPicture } from './interleave.js';
import type { OutputSettings } from './output.js';
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

/**
 * Writes all parts as one file: pictures are copied, the sound is encoded in one piece. Rejects with the disk's error or
 * the signal's reason, and then leaves no file. Returns its size in bytes.
 */
export async function renderFull(job: FullJob): Promise<number> {
  const { path, parts, clips, totalSamples, output, signal, onProgress } = job;
  const track = new SoundTrack(clips);
  const sound = new PartSound(output.format, output.soundKbps, totalSamples, (into, at) => track.read(into, at), true);
  let extradata: Buffer | null = null;
  const begun = (head: Buffer | null): void => void (extradata ??= head);
  try {
    const pictures = copiedPictures(parts, output.rate, begun);
    return await interleave({ path, output, pictures, sound, extradata: () => extradata, signal, onProgress });
  } finally {
    sound.close();
    track.close();
  }
}

/** The pictures of all parts on one time line; `begun` hears what the head of each part says of them. */
function* copiedPictures(
  parts: FullJob['parts'],
  rate: FrameRate,
  begun: (extradata: Buffer | null) => void,
): Generator<TimedPicture> {
  for (const part of parts) {
    const grid = new FrameGrid(part.endSample - part.startSample, rate);
    const packets = new VideoPackets(part.path);
    let frame = 0;
    try {
      begun(packets.extradata);
      for (; packets.next(); frame++) {
        const { data, keyFrame } = packets;
        yield { data, keyFrame, start: part.startSample + grid.startOf(frame), duration: grid.durationOf(frame) };
      }
    } finally {
      packets.close();
    }
    if (frame !== grid.count) throw new Error(`${part.path} holds ${frame} pictures instead of ${grid.count}`);
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
