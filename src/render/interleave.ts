import { setImmediate } from 'node:timers/promises';
import type { OutputSettings } from './output.js';
import type { PartSound } from './sound-encoder.js';
import { VideoFile } from './video-file.js';

/** One encoded picture and when it is seen, in samples; the bytes are valid until the next one is asked for. */
export interface TimedPicture {
  data: Uint8Array;
  keyFrame: boolean;
  start: number;
  duration: number;
}

export interface InterleaveOptions {
  path: string;
  output: OutputSettings;
  pictures: AsyncIterable<TimedPicture> | Iterable<TimedPicture>;
  /** The sound that is heard with them; stays the caller's. */
  sound: PartSound;
  /** What the head says of the pictures, asked with the first of them. */
  extradata: (first: Uint8Array) => Buffer | null;
  signal?: AbortSignal | undefined;
  /** Called now and then with the samples that are done. */
  onProgress?: ((samples: number) => void) | undefined;
}

/** Pictures between two looks at the signal. */
const SLICE_FRAMES = 50;

/**
 * Writes pictures and their sound side by side into one file. Rejects with the disk's error, that of the pictures or the
 * signal's reason, and then leaves no file. Returns its size in bytes.
 */
export async function interleave(options: InterleaveOptions): Promise<number> {
  const { path, output, sound, signal } = options;
  signal?.throwIfAborted();
  const file = await VideoFile.create(path, output.format);
  const writeSound = file.writeSound.bind(file);
  let frames = 0;
  try {
    for await (const { data, keyFrame, start, duration } of options.pictures) {
      if (frames === 0) {
        const describeSound = sound.describe.bind(sound);
        file.begin({ ...output, videoExtradata: options.extradata(data), describeSound });
      }
      file.writePicture(data, start, duration, keyFrame);
      sound.encodeUpTo(start + duration, writeSound);
      frames += 1;
      if (frames % SLICE_FRAMES > 0) continue;
      options.onProgress?.(start + duration);
      await setImmediate();
      signal?.throwIfAborted();
    }
    if (frames === 0) throw new RangeError('a video needs at least one picture');
    sound.finish(writeSound);
    return await file.finish();
  } catch (error) {
    await file.abort();
    throw error;
  }
}
