import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NativePicture } from '../../src/frames/native-picture.js';
import { drawTimeCode, readTimeCode } from '../../src/frames/time-code.js';
import { Mp4Writer } from '../../src/render/mp4-writer.js';
import { VideoEncoder } from '../../src/stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, SAMPLE_RATE } from '../../src/units.js';
import { decodeFile } from '../support/decode-media.js';

let folder: string;
let video: VideoEncoder;
const picture = new NativePicture(320, 180);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mp4-'));
  video = new VideoEncoder({ width: 320, height: 180, bitrateKbps: 500, mode: 'offline' });
});

afterEach(async () => {
  video.close();
  await rm(folder, { recursive: true, force: true });
});

const CLICK_AT = 10 * CHUNK_SAMPLES;
const FRAMES = 30;

async function write(path: string, soundFirst: boolean): Promise<void> {
  const writer = await Mp4Writer.open({ path, video });
  const samples = new Int16Array(CHUNK_SAMPLES);
  for (let n = 0; n < FRAMES; n++) {
    samples.fill(0);
    for (let i = 0; i < CHUNK_SAMPLES; i++) {
      if (n >= CLICK_AT / CHUNK_SAMPLES) samples[i] = 12_000 * Math.sin((2 * Math.PI * 1000 * i) / SAMPLE_RATE);
    }
    drawTimeCode(picture, n);
    if (soundFirst) writer.writeSound(samples);
    writer.writePicture(picture, n);
    if (!soundFirst) writer.writeSound(samples);
  }
  expect(await readdir(folder)).not.toContain('out.mp4');
  await writer.finish();
}

test.each([true, false])('sound and picture of a file start together (sound first: %s)', async (soundFirst) => {
  const path = join(folder, 'out.mp4');
  await write(path, soundFirst);
  expect(await readdir(folder)).toEqual(['out.mp4']);

  const bytes = await readFile(path);
  expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));

  const numbers: (number | null)[] = [];
  const pictureTimes: number[] = [];
  let onset = -1;
  let soundStart = Number.NaN;
  let soundEnd = 0;
  decodeFile(path, (kind, frame, timeS) => {
    const plane = frame.data?.[0];
    if (!plane) throw new Error('no plane');
    if (kind === 'video') {
      numbers.push(readTimeCode(plane, frame.width, frame.height, frame.linesize[0]));
      pictureTimes.push(timeS);
      return;
    }
    if (Number.isNaN(soundStart)) soundStart = timeS;
    const values = new Float32Array(plane.buffer, plane.byteOffset, frame.nbSamples);
    const first = values.findIndex((value) => Math.abs(value) > 0.1);
    if (onset < 0 && first >= 0) onset = timeS * SAMPLE_RATE + first;
    soundEnd = timeS + frame.nbSamples / SAMPLE_RATE;
  });
  expect(numbers).toEqual([...Array(FRAMES).keys()]);
  expect(pictureTimes[0]).toBe(0);
  expect(soundStart).toBeCloseTo(0, 3);
  expect(pictureTimes.at(-1)).toBeCloseTo((FRAMES - 1) / 25, 3);
  expect(Math.abs(onset - CLICK_AT)).toBeLessThan(0.002 * SAMPLE_RATE);
  expect(soundEnd).toBeCloseTo(FRAMES / 25, 1);
});

test('an aborted file leaves nothing', async () => {
  const writer = await Mp4Writer.open({ path: join(folder, 'out.mp4'), video });
  writer.writePicture(picture, 0);
  await writer.abort();
  await writer.abort();
  expect(await readdir(folder)).toEqual([]);
  expect(() => {
    writer.writePicture(picture, 1);
  }).toThrow(RangeError);
});

test.skipIf(!existsSync('/dev/full'))('a full disk says so and leaves nothing', async () => {
  await symlink('/dev/full', join(folder, `.out.mp4.${process.pid}.part`));
  const writer = await Mp4Writer.open({ path: join(folder, 'out.mp4'), video });
  await expect(async () => {
    for (let n = 0; n < 5; n++) writer.writePicture(picture, n);
    await writer.finish();
  }).rejects.toMatchObject({ code: 'disk_full', message: expect.stringContaining('out.mp4') });
  await writer.abort();
  expect(await readdir(folder)).toEqual([]);
});

test('a file without a picture is refused', async () => {
  const writer = await Mp4Writer.open({ path: join(folder, 'out.mp4'), video });
  await expect(writer.finish()).rejects.toThrow(RangeError);
  await writer.abort();
  expect(await readdir(folder)).toEqual([]);
});

test('a place that cannot be written says so', async () => {
  await expect(Mp4Writer.open({ path: '/dev/null/out.mp4', video })).rejects.toMatchObject({ code: 'write_failed' });
});
