import { setImmediate } from 'node:timers/promises';
import { AudioQueue } from '../audio/audio-queue.js';
import { PcmDoor } from '../audio/door.js';
import { sliceSpeech } from '../audio/slice-speech.js';
import type { BakedAvatar } from '../avatar/baked.js';
import type { SessionProfile } from '../config/schema.js';
import { Fit } from '../frames/fit.js';
import { FramePool } from '../frames/frame-pool.js';
import { NativePicture } from '../frames/native-picture.js';
import { PictureMaker } from '../frames/picture-maker.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, FRAME_RATE, type AudioChunk, type SpeechPiece } from '../units.js';
import { Mp4Writer } from './mp4-writer.js';

export interface SayToFileOptions {
  /** What is said; read no faster than it is drawn. */
  sound: AsyncIterable<SpeechPiece>;
  baked: BakedAvatar;
  profile: SessionProfile;
  /** Where the MP4 goes; it appears when it is whole. */
  path: string;
  /** Called with the seconds of video that are done. */
  onProgress?: (doneS: number) => void;
  signal?: AbortSignal;
}

/** Pieces in flight: half a second, and what the mouth looks ahead. */
const SLICE_MS = 500;
const QUEUE_CHUNKS = 24;
const LOOK_AHEAD_CHUNKS = 3;
/** The face is seen before it speaks, and closes its mouth afterwards. */
const LEAD_IN_FRAMES = 8;
const LEAD_OUT_FRAMES = 15;
const UTTERANCE = 'file';

/**
 * Says something into an MP4, as fast as the machine can: the parts of the live path, without its clock. Memory does
 * not depend on the length. Rejects with the source's or the disk's error, and then leaves no file.
 * @returns the length of the video in seconds
 */
export async function sayToFile(options: SayToFileOptions): Promise<number> {
  const { width, height, bitrateKbps, framePoolSize } = options.profile;
  const pictures = new PictureMaker(options.baked, 1);
  const pool = new FramePool({ width, height, size: framePoolSize });
  const fit = new Fit();
  const canvas = new NativePicture(pictures.pictureWidth, pictures.pictureHeight);
  const queue = new AudioQueue({ capacity: QUEUE_CHUNKS });
  const video = new VideoEncoder({ width, height, bitrateKbps, mode: 'offline' });
  const writer = await Mp4Writer.open({ path: options.path, video });
  const ahead: AudioChunk[] = [];
  const silence = new Int16Array(CHUNK_SAMPLES);
  let frame = 0;

  const step = (): void => {
    options.signal?.throwIfAborted();
    const chunk = queue.take();
    writer.writeSound(chunk?.samples ?? silence);
    pictures.advance(frame, chunk, queue.ahead(ahead));
    const picture = pool.acquire();
    if (!picture) throw new RangeError('a picture was not given back');
    try {
      pictures.draw(canvas, frame);
      fit.fitInto(canvas, picture);
      writer.writePicture(picture, frame);
    } finally {
      pool.release(picture);
    }
    if (chunk) queue.release(chunk);
    frame += 1;
  };

  let door = null as PcmDoor | null;
  let received = 0;
  const sink = (samples: Int16Array, lengthSamples: number): void => {
    queue.tryPush(samples, { utteranceId: UTTERANCE, startSample: received, lengthSamples });
    received += lengthSamples;
  };
  try {
    for (let i = 0; i < LEAD_IN_FRAMES; i++) step();
    for await (const { pcm, sampleRateHz, cues } of sliceSpeech(options.sound, SLICE_MS)) {
      if (cues) pictures.mouth.addCues(UTTERANCE, cues);
      if (door?.rateHz !== sampleRateHz) {
        door?.flush(sink);
        door?.close();
        door = new PcmDoor(sampleRateHz);
      }
      door.write(pcm, sink);
      while (queue.length > LOOK_AHEAD_CHUNKS) step();
      options.onProgress?.(frame / FRAME_RATE);
      await setImmediate(); // signals and the progress bar get their turn
    }
    door?.flush(sink);
    while (queue.length > 0) step();
    for (let i = 0; i < LEAD_OUT_FRAMES; i++) step();
    await writer.finish();
    return frame / FRAME_RATE;
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    door?.close();
    queue.close();
    video.close();
    canvas.close();
    fit.close();
    pool.close();
    pictures.close();
  }
}
