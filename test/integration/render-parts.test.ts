import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { DhError } from '../../src/errors.js';
import type { ClipPreparer } from '../../src/render/clip-preparer.js';
import type { RenderSettings } from '../../src/render/render-settings.js';
import {
  decode,
  fromRow,
  hashOfFile,
  readClipList,
  RenderTestTools,
  settings,
  tone,
  wav,
  writeClips,
} from '../support/render-fixture.js';

const kit = new RenderTestTools();
let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'render-'));
  out = join(folder, 'out');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => kit.close());

// Nothing divides by a picture, an AAC frame or an Opus packet.
const LENGTHS = [40_001, 23_456, 61_007, 9_999, 48_000, 33_333, 70_123];
const TOTAL = LENGTHS.reduce((sum, length) => sum + length, 0);

async function prepare(over: Partial<RenderSettings> = {}): Promise<RenderSettings> {
  writeClips(join(folder, 'clips'), LENGTHS);
  return settings(folder, await readClipList(join(folder, 'clips')), over);
}

async function pictureFile(name: string, level: number): Promise<string> {
  const path = join(folder, name);
  const background = { r: level, g: level, b: level };
  await sharp({ create: { width: 64, height: 36, channels: 3, background } })
    .png()
    .toFile(path);
  return path;
}

interface Index {
  totalSamples: number;
  parts: { file: string; startSample: number; durationS: number }[];
  clips: {
    name: string;
    startSample: number;
    silent?: boolean;
    damaged?: string;
    parts: { number: number; startS: number; endS: number }[];
  }[];
  bad: { number: number; name: string; reason: string }[];
}

async function index(): Promise<Index> {
  return JSON.parse(await readFile(join(out, 'index.json'), 'utf8')) as Index;
}

/** The whole sound of the output, part after part. */
function joined(files: readonly string[]): Float32Array {
  const parts = files.map((file) => decode(join(out, file)).sound);
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

test('a clip that was cut off is in as far as it goes, and named, also when nothing is left to do', async () => {
  const prepared = await prepare();
  const path = join(folder, 'clips', '2.wav');
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, 44 + 9_600));
  for (const run of ['first', 'again']) {
    const result = await kit.run(prepared);
    const reason = `cut off or damaged: holds 0.10 of ${((whole.length - 44) / 96_000).toFixed(2)} s`;
    expect([run, result?.damaged]).toEqual([run, [{ name: '2.wav', reason }]]);
    expect((await index()).clips.map(({ damaged }) => damaged ?? null)).toEqual(
      LENGTHS.map((_, i) => (i === 1 ? reason : null)),
    );
  }
});

test('parts together are as long as the clips, to the sample, and sound as the clips do', async () => {
  const result = await kit.run(await prepare({ split: { everySamples: 90_000, exact: false }, full: true }));
  expect(result?.parts.length).toBeGreaterThan(2);
  const files = result!.parts.map(({ file }) => file);
  const sound = joined(files);
  expect(sound.length).toBe(TOTAL);
  const full = decode(join(out, 'full.mp4'));
  expect(full.sound.length).toBe(TOTAL);
  expect(full.soundStartS).toBe(0);

  // Neither at the cuts nor anywhere else does the sound differ from the clips by more than AAC does.
  const truth = new Float32Array(TOTAL);
  let at = 0;
  for (const [i, length] of LENGTHS.entries()) {
    truth.set(
      Float32Array.from(tone(length, i), (value) => value / 32_768),
      at,
    );
    at += length;
  }
  for (const heard of [sound, full.sound]) {
    let error = 0;
    let power = 0;
    for (const [i, value] of truth.entries()) {
      error += (heard[i]! - value) ** 2;
      power += value ** 2;
    }
    expect(10 * Math.log10(power / error)).toBeGreaterThan(20);
  }
  const { parts, clips, totalSamples } = await index();
  expect(totalSamples).toBe(TOTAL);
  expect(clips.at(-1)?.startSample).toBe(TOTAL - LENGTHS.at(-1)!);
  for (const { startSample } of parts) expect(clips.some((clip) => clip.startSample === startSample)).toBe(true);
  // Only what was made is left.
  expect((await readdir(out)).sort()).toEqual(['full.mp4', 'index.json', ...files]);
  expect(await readdir(join(folder, 'temp/video_segments/test/clips'))).toEqual([]);
  expect(kit.notes().join()).toContain('removed 7 prepared clips');
});

test('pictures change where the clips do, and end with the sound', async () => {
  const wanted = await prepare({ gapMs: 100 });
  const levels = LENGTHS.map((_, i) => 30 + 30 * i);
  for (const [i, clip] of wanted.clips.entries()) clip.image = await pictureFile(`${i}.png`, levels[i]!);
  for (const rate of [
    { num: 25, den: 1 },
    { num: 30_000, den: 1001 },
  ]) {
    await kit.run({ ...wanted, output: { ...wanted.output, rate } });
    const { pictures, sound } = decode(join(out, 'part-001.mp4'));
    const frameS = rate.den / rate.num;
    const endS = sound.length / 48_000;
    expect(Math.abs(pictures.length * frameS - endS)).toBeLessThanOrEqual(frameS / 2 + 1e-3);
    let startS = 0;
    for (const [i, length] of LENGTHS.entries()) {
      const luma = 16 + (219 * levels[i]!) / 255;
      const first = pictures.find((picture) => Math.abs(picture.luma - luma) < 3);
      expect(Math.abs(first!.timeS - startS)).toBeLessThanOrEqual(frameS / 2 + 1e-3);
      startS += length / 48_000 + 0.1;
    }
  }
});

test('parts cut exactly at the time are as long as asked, and clips are found in both', async () => {
  await kit.run(await prepare({ split: { everySamples: 48_000, exact: true } }));
  const { parts, clips } = await index();
  expect(parts).toHaveLength(Math.ceil(TOTAL / 48_000));
  for (const { file } of parts.slice(0, -1)) expect(decode(join(out, file)).sound.length).toBe(48_000);
  expect(clips[1]?.parts).toEqual([
    { number: 1, startS: 40_001 / 48_000, endS: 1 },
    { number: 2, startS: 0, endS: (40_001 + 23_456 - 48_000) / 48_000 },
  ]);
});

test('WebM holds the same sound', async () => {
  const wanted = await prepare({ split: { everySamples: 150_000, exact: false }, full: true });
  const result = await kit.run({ ...wanted, output: { ...wanted.output, format: 'webm' } });
  const files = result!.parts.map(({ file }) => file);
  expect(files[0]).toBe('part-001.webm');
  // The container counts milliseconds.
  for (const [i, file] of files.entries()) {
    const { sound, pictures } = decode(join(out, file));
    expect(Math.abs(sound.length / 48_000 - result!.parts[i]!.durationS)).toBeLessThan(0.0215);
    expect(Math.abs(pictures.length / 25 - result!.parts[i]!.durationS)).toBeLessThan(0.021);
  }
  expect(Math.abs(decode(join(out, 'full.webm')).sound.length - TOTAL)).toBeLessThan(1024);
});

test('the same command again does nothing, and a changed clip only what it touches', async () => {
  const wanted = await prepare({ split: { everySamples: 90_000, exact: false } });
  const first = await kit.run(wanted);
  const files = first!.parts.map(({ file }) => file);
  const before = files.map((file) => hashOfFile(join(out, file)));
  await kit.run(wanted);
  expect(kit.events.some(({ event }) => event === 'part')).toBe(false);
  expect(kit.events).toContainEqual(expect.objectContaining({ event: 'total', partsDone: files.length }));

  // Of the same length: the parts after it stay where they are.
  await writeFile(join(folder, 'clips', '4.wav'), wav(tone(LENGTHS[3]!, 40)));
  let prepared: string[] = [];
  const tools = kit.tools();
  const { preparer } = tools;
  const counting: typeof preparer = {
    prepare: (task, ...rest) => {
      prepared = [...prepared, task.source.kind === 'file' ? task.source.path : ''];
      return preparer.prepare(task, ...rest);
    },
    rssBytes: () => 0,
    close: () => undefined,
  };
  await kit.run(wanted, { preparer: counting });
  const made = kit.events.flatMap((event) => (event.event === 'part' ? [event.file] : []));
  const touched = (await index()).clips[3]!.parts.map(({ number }) => files[number - 1]);
  expect(made).toEqual(expect.arrayContaining(touched));
  expect(made.length).toBeLessThan(files.length);
  expect(prepared.length).toBeLessThan(LENGTHS.length);
  const after = files.map((file) => hashOfFile(join(out, file)));
  for (const [i, file] of files.entries()) if (!made.includes(file)) expect(after[i]).toBe(before[i]);

  // As if it had been made at once.
  await kit.run({ ...wanted, fresh: true });
  expect(files.map((file) => hashOfFile(join(out, file)))).toEqual(after);
});

test('fewer parts than before leave no old ones behind', async () => {
  const wanted = await prepare({ split: { everySamples: 60_000, exact: false }, full: true });
  const first = await kit.run(wanted);
  expect(first!.parts.length).toBeGreaterThan(3);
  await kit.run({ ...wanted, split: null, full: false });
  expect((await readdir(out)).sort()).toEqual(['index.json', 'part-001.mp4']);
  expect(kit.notes().join()).toContain('full.mp4');
});

test('all bad clips are said at once, before any work; or they are left out', async () => {
  const wanted = await prepare();
  const clips = join(folder, 'clips');
  await writeFile(join(clips, '2.wav'), '');
  await writeFile(join(clips, '3.wav'), 'this is not sound at all');
  await rm(join(clips, '5.wav'));
  wanted.clips.push(
    fromRow({ text: '...' }, folder, 'entry 8'),
    fromRow({ text: 'Yes.', voice: 'nobody' }, folder, 'entry 9'),
  );
  const failure = await kit.run(wanted).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'clips_invalid' });
  const { message } = failure as Error;
  for (const part of ['5 of 9 clips', '2.', '3.', '5.', '8.', '9.', 'empty', 'not audio', 'does not exist'])
    expect(message).toContain(part);
  expect(await readdir(out)).toEqual([]);
  expect(await readdir(join(folder, 'temp/video_segments/test/clips'))).toEqual([]);

  const result = await kit.run({ ...wanted, skipBad: true });
  expect(result?.bad).toHaveLength(5);
  const { bad, clips: good } = await index();
  expect(bad.map(({ number }) => number)).toEqual([2, 3, 5, 8, 9]);
  expect(good.map(({ name }) => name)).toEqual(['1.wav', '4.wav', '6.wav', '7.wav']);
});

test('a clip over which the decoder dies is named, and left out with the bad ones', async () => {
  const wanted = await prepare();
  const { preparer } = kit.tools();
  const tried: string[] = [];
  const deadly: ClipPreparer = {
    prepare: (task, into, signal) => {
      if (task.source.kind !== 'file' || !task.source.path.endsWith('3.wav'))
        return preparer.prepare(task, into, signal);
      tried.push(task.key);
      return Promise.reject(new DhError('task_crashed', 'the decoder died over it'));
    },
    rssBytes: () => 0,
    close: () => undefined,
  };
  await expect(kit.run(wanted, { preparer: deadly })).rejects.toMatchObject({
    code: 'clips_invalid',
    message: expect.stringContaining('3. "3.wav": the decoder died over it') as string,
  });
  // What was prepared is kept, and the good ones are rendered without it.
  expect(kit.notes().join()).toContain('kept 6 prepared clips');
  await kit.run({ ...wanted, skipBad: true }, { preparer: deadly });
  expect((await index()).bad).toEqual([{ number: 3, name: '3.wav', reason: 'the decoder died over it' }]);
  expect(tried).toHaveLength(2);
});

test('silence, the same clip twice, 8 bit, 192 kHz and odd names are rendered', async () => {
  const clips = join(folder, 'clips');
  writeClips(clips, [48_000]);
  await writeFile(join(clips, '2 with space.wav'), wav(new Int16Array(30_000)));
  await writeFile(join(clips, '3 中文\n名.wav'), wav(tone(20_000, 5)));
  await writeFile(join(clips, '4.wav'), wav(tone(48_000, 0)));
  await writeFile(join(clips, '5.wav'), wav(tone(192_000, 2), 192_000));
  const eight = wav(new Int16Array(24_000));
  eight.writeUInt32LE(48_000, 28);
  eight.writeUInt16LE(1, 32);
  eight.writeUInt16LE(8, 34);
  await writeFile(join(clips, '6.wav'), eight.fill(128, 44));
  const wanted = settings(folder, await readClipList(clips), { keepTemp: true });
  await kit.run(wanted);
  const { totalSamples, clips: listed } = await index();
  expect(totalSamples).toBe(48_000 + 30_000 + 20_000 + 48_000 + 48_000 + 48_000);
  expect(listed.map(({ silent }) => silent === true)).toEqual([false, true, false, false, false, true]);
  expect(listed[2]?.name).toBe('3 中文\n名.wav');
  // The first and the fourth are one.
  const kept = (await readdir(join(folder, 'temp/video_segments/test/clips'))).filter((name) => name.endsWith('.pcm'));
  expect(kept).toHaveLength(5);
});

test('a clip is written as it comes: no run of a long one holds it in memory', async () => {
  const wanted = await prepare();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const { preparer } = kit.tools();
  const source = wanted.clips[0]!.source;
  if (source.kind !== 'file') throw new Error('a file');
  // An hour of sound: 345 MB.
  const pcm = tone(48_000, 1);
  const media = kit.media;
  const decodeNow = media.decode.bind(media);
  media.decode = async function* () {
    for (let i = 0; i < 3600; i++) {
      if (i % 100 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      yield pcm;
    }
  };
  try {
    const target = await mkdtemp(join(folder, 'long-'));
    const clip = await preparer.prepare({ key: 'long', source }, target, new AbortController().signal);
    expect(clip.lengthSamples).toBe(3600 * 48_000);
  } finally {
    media.decode = decodeNow;
  }
  expect(most).toBeLessThan(20e6);
});

test('a disk without room is noticed before any work, with the figures', async () => {
  const wanted = await prepare();
  const free = () => Promise.resolve({ device: 1, freeBytes: 1e6 });
  await expect(kit.run(wanted, { free })).rejects.toMatchObject({
    code: 'disk_full',
    message: expect.stringMatching(/About \d+ MB are needed .* 1 MB are free/),
  });
  expect(await readdir(out)).toEqual([]);
});

test('one project is rendered once at a time, and projects do not share an output folder', async () => {
  const wanted = await prepare();
  const [one, two] = await Promise.allSettled([kit.run(wanted), kit.run(wanted)]);
  expect([one.status, two.status].sort()).toEqual(['fulfilled', 'rejected']);
  const failed = (one.status === 'rejected' ? one : two) as PromiseRejectedResult;
  expect(failed.reason).toMatchObject({ code: 'render_busy' });
  await expect(kit.run({ ...wanted, project: 'other' })).rejects.toMatchObject({
    code: 'bad_request',
    hint: expect.stringContaining('--project test'),
  });
});

test('a dry run writes nothing', async () => {
  const wanted = await prepare({ dryRun: true, split: { everySamples: 90_000, exact: false } });
  expect(await kit.run(wanted)).toBeNull();
  expect(kit.events).toContainEqual(expect.objectContaining({ event: 'total', parts: 4 }));
  expect(existsSync(out)).toBe(false);
  expect(existsSync(join(folder, 'temp'))).toBe(false);
});

test('what is stopped goes on, and lengths that files claim are not believed', async () => {
  const wanted = await prepare({ split: { everySamples: 90_000, exact: false } });
  // Behind the sound that the header speaks of.
  await appendFile(join(folder, 'clips', '7.wav'), Buffer.alloc(5000));
  const controller = new AbortController();
  const stop = (event: { event: string }): void => {
    if (event.event === 'part') controller.abort(new Error('stopped'));
  };
  await expect(kit.run(wanted, { signal: controller.signal, onEvent: stop })).rejects.toThrow('stopped');
  const result = await kit.run(wanted);
  const made = kit.events.filter(({ event }) => event === 'part').length;
  expect(made).toBe(result!.parts.length - 1);
  expect(joined(result!.parts.map(({ file }) => file)).length).toBe(TOTAL);
});

test('text is spoken, and written below: subtitles with the times of each part', async () => {
  await writeFile(join(folder, 'script.txt'), 'Good morning, this is the first line.\nAnd that was the second.');
  const clips = await readClipList(join(folder, 'script.txt'));
  await kit.run(
    settings(folder, clips, {
      subtitles: { srt: true, burn: false },
      gapMs: 500,
      split: { everySamples: 48_000, exact: false },
    }),
  );
  const { parts } = await index();
  expect(parts).toHaveLength(2);
  const srt = await readFile(join(out, 'part-002.srt'), 'utf8');
  expect(srt).toMatch(/^1\n00:00:00,000 --> 00:00:0\d,\d{3}\nAnd that was the second\.\n$/);
  expect(decode(join(out, 'part-002.mp4')).sound.some((value) => Math.abs(value) > 0.05)).toBe(true);
});
