import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AVERROR_EOF, AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { FFmpegError, FormatContext, Packet, type Stream } from 'node-av/lib';
import { SoundFile } from '../../src/media/sound-file.js';
import { Mp4Writer } from '../../src/render/mp4-writer.js';
import { drawStill } from '../../src/render/still-picture.js';
import { VideoEncoder } from '../../src/stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES } from '../../src/units.js';
import { naturalOrder } from '../../src/render/clip-list.js';

const WIDTH = 1280;
const HEIGHT = 720;

/** The sound files of a folder in natural order. */
export function clipFiles(folder: string): string[] {
  return readdirSync(folder)
    .sort(naturalOrder())
    .map((name) => join(folder, name));
}

/** One MP4 with a still picture from some clips, as FFmpeg would: every picture encoded, in one pass. */
async function writeMp4(files: readonly string[], image: string, path: string): Promise<void> {
  const picture = await drawStill({ image, caption: null }, WIDTH, HEIGHT);
  const video = new VideoEncoder({ width: WIDTH, height: HEIGHT, bitrateKbps: 1, mode: 'still', threads: 2 });
  const writer = await Mp4Writer.open({ path, video, soundKbps: 96 });
  const piece = new Int16Array(24_000);
  let samples = 0;
  let frame = 0;
  for (const file of files) {
    const sound = await SoundFile.open(file);
    for (let count = sound.read(piece); count > 0; count = sound.read(piece)) {
      writer.writeSound(piece.subarray(0, count));
      samples += count;
      for (; frame * CHUNK_SAMPLES < samples; frame++) writer.writePicture(picture, frame);
    }
    sound.close();
  }
  await writer.finish();
  video.close();
  picture.close();
}

/** A single pass over all clips. */
export function singlePass(folder: string, image: string, path: string): Promise<void> {
  return writeMp4(clipFiles(folder), image, path);
}

/** One MP4 a clip, then all joined by copying their packets, as the concat demuxer does. */
export async function clipByClip(folder: string, image: string, temp: string, path: string): Promise<void> {
  const segments: string[] = [];
  for (const [i, file] of clipFiles(folder).entries()) {
    const segment = join(temp, `segment-${i}.mp4`);
    await writeMp4([file], image, segment);
    segments.push(segment);
  }
  joinFiles(segments, path);
}

function joinFiles(segments: readonly string[], path: string): void {
  const out = new FormatContext();
  FFmpegError.throwIfError(out.allocOutputContext2(null, 'mp4', path), 'out');
  FFmpegError.throwIfError(out.setOption('movflags', '+faststart'), 'out');
  FFmpegError.throwIfError(out.openOutputSync(), 'out');
  const packet = new Packet();
  packet.alloc();
  const streams: Stream[] = [];
  const ends = [0, 0];
  const lastDts = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const segment of segments) {
    const input = new FormatContext();
    FFmpegError.throwIfError(input.openInputSync(segment), segment);
    FFmpegError.throwIfError(input.findStreamInfoSync(), segment);
    if (streams.length === 0) {
      for (const from of input.streams) {
        const to = out.newStream();
        FFmpegError.throwIfError(from.codecpar.copy(to.codecpar), 'copy');
        to.codecpar.codecTag = 0;
        to.timeBase = from.timeBase;
        streams.push(to);
      }
      FFmpegError.throwIfError(out.writeHeaderSync(), 'head');
    }
    const shiftS = Math.max(...ends);
    for (;;) {
      const status = input.readFrameSync(packet);
      if (status === AVERROR_EOF) break;
      FFmpegError.throwIfError(status, 'read');
      const from = input.streams[packet.streamIndex]!;
      const to = streams[packet.streamIndex]!;
      packet.rescaleTs(from.timeBase, to.timeBase);
      const unitS = to.timeBase.num / to.timeBase.den;
      const shift = BigInt(Math.round(shiftS / unitS));
      packet.pts += shift;
      packet.dts += shift;
      const kind = to.codecpar.codecType === AVMEDIA_TYPE_VIDEO ? 0 : 1;
      // Priming at each join overlaps what was before: moved on, as FFmpeg does.
      if (Number(packet.dts) <= lastDts[kind]!) {
        packet.dts = BigInt(lastDts[kind]! + 1);
        if (packet.pts < packet.dts) packet.pts = packet.dts;
      }
      lastDts[kind] = Number(packet.dts);
      ends[kind] = Number(packet.pts + packet.duration) * unitS;
      FFmpegError.throwIfError(out.interleavedWriteFrameSync(packet), 'write');
      packet.unref();
    }
    input.closeInputSync();
  }
  FFmpegError.throwIfError(out.writeTrailerSync(), 'end');
  out.closeOutputSync();
  out.freeContext();
  packet.free();
}
