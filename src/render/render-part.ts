import { setImmediate } from 'node:timers/promises';
import { parameterSets } from '../stream/encoders/parameter-sets.js';
import { FrameGrid } from './frame-grid.js';
import { PartFile } from './part-file.js';
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

/** Pictures between two looks at the signal. */
const SLICE_FRAMES = 50;

/**
 * Makes one part, from the job alone: the same job gives the same file. Rejects with the disk's error or the signal's
 * reason, and then leaves no file. Returns its size in bytes.
 */
export async function renderPart(job: PartJob, options: RenderPartOptions): Promise<number> {
  options.signal?.throwIfAborted();
  const { startSample, endSample, output } = job;
  const grid = new FrameGrid(endSample - startSample, output.rate);
  const track = new SoundTrack(job.clips);
  const read = (into: Int16Array, sample: number): void => track.read(into, startSample + sample);
  const sound = new PartSound(output.format, output.soundKbps, endSample - startSample, read, startSample === 0);
  let file = null as PartFile | null;
  let frame = 0;
  try {
    for await (const { data, keyFrame } of picturesOf(job, grid, options)) {
      file ??= await PartFile.open(job.path, output, {
        videoExtradata: output.format === 'mp4' ? parameterSets(data) : null,
        describeSound: (parameters) => sound.describe(parameters),
      });
      const open = file;
      open.writePicture(data, grid.startOf(frame), grid.durationOf(frame), keyFrame);
      sound.encodeUpTo(grid.startOf(frame + 1), (...packet) => open.writeSound(...packet));
      frame += 1;
      if (frame % SLICE_FRAMES === 0) {
        options.onProgress?.(grid.startOf(frame));
        await setImmediate();
        options.signal?.throwIfAborted();
      }
    }
    if (file === null || frame !== grid.count) throw new Error(`${frame} pictures instead of ${grid.count}`);
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

async function* picturesOf(
  job: PartJob,
  grid: FrameGrid,
  { stills }: RenderPartOptions,
): AsyncGenerator<EncodedPicture, void, undefined> {
  if (job.avatar === null) {
    yield* stillPictures(job, grid, stills);
  } else {
    const { avatarPictures } = await import('./avatar-source.js');
    yield* avatarPictures(job, job.avatar, grid);
  }
}
