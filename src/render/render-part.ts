import { parameterSets } from '../stream/encoders/parameter-sets.js';
import { FrameGrid } from './frame-grid.js';
import { interleave, type TimedPicture } from './interleave.js';
import type { PartJob } from './part-job.js';
import { PartSound } from './sound-encoder.js';
import { SoundTrack } from './sound-track.js';
import { stillPictures } from './still-source.js';
import type { StillTemplates } from './still-templates.js';

/** One picture of a part; the bytes are valid until the next one is asked for. */
export interface EncodedPicture {
  data: Uint8Array;
  keyFrame: boolean;
}

export interface RenderPartOptions {
  stills: StillTemplates;
  signal?: AbortSignal | undefined;
  /** Called now and then with the samples that are done. */
  onProgress?: ((samples: number) => void) | undefined;
}

/**
 * Makes one part, from the job alone: the same job gives the same file. Rejects with the disk's error or the signal's
 * reason, and then leaves no file. Returns its size in bytes.
 */
export async function renderPart(job: PartJob, { stills, signal, onProgress }: RenderPartOptions): Promise<number> {
  const { path, startSample, endSample, output } = job;
  const lengthSamples = endSample - startSample;
  const track = new SoundTrack(job.clips);
  const read = (into: Int16Array, sample: number): void => track.read(into, startSample + sample);
  const sound = new PartSound(output.format, output.soundKbps, lengthSamples, read, startSample === 0);
  try {
    return await interleave({
      path,
      output,
      pictures: timed(job, new FrameGrid(lengthSamples, output.rate), stills),
      sound,
      extradata: (first) => (output.format === 'mp4' ? parameterSets(first) : null),
      signal,
      onProgress,
    });
  } finally {
    sound.close();
    track.close();
  }
}

async function* timed(job: PartJob, grid: FrameGrid, stills: StillTemplates): AsyncGenerator<TimedPicture> {
  let frame = 0;
  for await (const { data, keyFrame } of picturesOf(job, grid, stills)) {
    yield { data, keyFrame, start: grid.startOf(frame), duration: grid.durationOf(frame) };
    frame += 1;
  }
  if (frame !== grid.count) throw new Error(`${frame} pictures instead of ${grid.count}`);
}

async function* picturesOf(job: PartJob, grid: FrameGrid, stills: StillTemplates): AsyncGenerator<EncodedPicture> {
  if (job.avatar === null) {
    yield* stillPictures(job, grid, stills);
  } else {
    const { avatarPictures } = await import('./avatar-source.js');
    yield* avatarPictures(job, job.avatar, grid);
  }
}
