/**
 * `npm run bench:frame`: one session's work for a picture while it speaks, from the audio queue to the encoded access
 * unit, as fast as it goes. `--matrix` adds the three shipped sizes with three speed presets of x264.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AudioQueue } from '../src/audio/audio-queue.js';
import { PcmDoor } from '../src/audio/door.js';
import { bakeAvatar } from '../src/avatar/bake.js';
import { presenter } from '../src/avatar/presenter/index.js';
import { packagePath } from '../src/entry.js';
import { Fit } from '../src/frames/fit.js';
import { FramePool } from '../src/frames/frame-pool.js';
import { NativePicture } from '../src/frames/native-picture.js';
import { PictureMaker } from '../src/frames/picture-maker.js';
import { FliteEngine } from '../src/speech/flite-engine.js';
import { newLoudness } from '../src/speech/loudness.js';
import { shapeSpeech } from '../src/speech/shape.js';
import { OpusEncoder } from '../src/stream/encoders/opus-encoder.js';
import { VideoEncoder } from '../src/stream/encoders/video-encoder.js';
import { FRAME_MS, FRAME_RATE, type AudioChunk, type VisemeCue } from '../src/units.js';
import { benchOptions, wholeNumber } from './lib/options.js';
import { mean, quantile, report, type Targets } from './lib/report.js';

const TEXT =
  'The quick brown fox jumps over the lazy dog, and nobody minds. Please bring my big blue umbrella before it rains ' +
  'again. Five of the very famous violins were found above the fireplace.';
const UTTERANCE = 'bench';
const LOOK_AHEAD_CHUNKS = 3;

interface Speech {
  chunks: Int16Array[];
  cues: VisemeCue[];
}

interface Profile {
  width: number;
  height: number;
  bitrateKbps: number;
  x264Preset: string;
}

interface Run {
  /** Milliseconds for each picture. */
  total: number[];
  encode: number[];
  sound: number[];
  draw: number[];
  kbps: number;
  cpuMsPerFrame: number;
  pixelAllocations: number;
  poolMisses: number;
  externalGrowthKb: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const values = benchOptions({
  preset: { type: 'string', default: 'default' },
  frames: { type: 'string', default: '1000' },
  matrix: { type: 'boolean', default: false },
});
const frames = wholeNumber('frames', values.frames);
const speech = await speak();
const shipped = shippedProfile(values.preset);
const run = await measure(shipped, frames);
const figures: Record<string, number> = {
  mean_ms: mean(run.total),
  p50_ms: quantile(run.total, 0.5),
  p99_ms: quantile(run.total, 0.99),
  max_ms: Math.max(...run.total),
  sound_mean_ms: mean(run.sound),
  draw_mean_ms: mean(run.draw),
  encode_mean_ms: mean(run.encode),
  ratio_to_encode: mean(run.total) / mean(run.encode),
  cpu_ms_per_frame: run.cpuMsPerFrame,
  sessions_per_core: FRAME_MS / run.cpuMsPerFrame,
  kbps: run.kbps,
  pixel_allocations: run.pixelAllocations,
  pool_misses: run.poolMisses,
  external_growth_kb: run.externalGrowthKb,
};
const targets: Targets = {
  mean_ms: '<= 8',
  p99_ms: '<= 20',
  pixel_allocations: '<= 0',
  pool_misses: '<= 0',
  external_growth_kb: '<= 64',
};
if (values.matrix) {
  for (const name of ['low', 'default', 'high']) {
    for (const x264Preset of ['ultrafast', 'superfast', 'veryfast']) {
      const { total, encode, kbps, cpuMsPerFrame } = await measure({ ...shippedProfile(name), x264Preset }, 250);
      const key = `${name}_${x264Preset}`;
      figures[`${key}_mean_ms`] = mean(total);
      figures[`${key}_p99_ms`] = quantile(total, 0.99);
      figures[`${key}_encode_ms`] = mean(encode);
      figures[`${key}_cpu_ms`] = cpuMsPerFrame;
      figures[`${key}_kbps`] = kbps;
    }
  }
}
process.exitCode = report('frame', figures, targets) ? 0 : 1;

function shippedProfile(name: string): Profile {
  const text = readFileSync(packagePath(`config/${name}.json`), 'utf8');
  return (JSON.parse(text) as { session: Profile }).session;
}

async function speak(): Promise<Speech> {
  const engine = await FliteEngine.load();
  const piece = shapeSpeech(engine.synthesise('slt', TEXT), 120, newLoudness());
  const chunks: Int16Array[] = [];
  const door = new PcmDoor(piece.sampleRateHz);
  const sink = (samples: Int16Array): void => void chunks.push(samples.slice());
  door.write(piece.pcm, sink);
  door.flush(sink);
  door.close();
  return { chunks, cues: piece.cues ?? [] };
}

/** Collects garbage, and lets the finalisers of native memory run, which wait for the event loop. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function measure(profile: Profile, count: number): Promise<Run> {
  const { width, height } = profile;
  const baked = await bakeAvatar(presenter, { width, height, cacheDir: packagePath('.cache/avatars') });
  const maker = new PictureMaker(baked, 1);
  const pool = new FramePool({ width, height });
  const fit = new Fit();
  const canvas = new NativePicture(maker.pictureWidth, maker.pictureHeight);
  const exact = canvas.width === width && canvas.height === height;
  const video = new VideoEncoder(profile);
  const opus = new OpusEncoder({ bitrateKbps: 40 });
  const queue = new AudioQueue({ capacity: LOOK_AHEAD_CHUNKS + 1 });
  const ahead: AudioChunk[] = [];
  const result: Run = {
    total: [],
    encode: [],
    sound: [],
    draw: [],
    kbps: 0,
    cpuMsPerFrame: 0,
    pixelAllocations: 0,
    poolMisses: 0,
    externalGrowthKb: 0,
  };
  let pushed = 0;
  let bytes = 0;
  const fill = (): void => {
    while (queue.room > 0) {
      // The sentence again and again, each time as an utterance of its own, so that its cues hold.
      const at = pushed % speech.chunks.length;
      const id = `${UTTERANCE}-${Math.floor(pushed / speech.chunks.length)}`;
      if (at === 0) maker.mouth.addCues(id, speech.cues);
      const samples = speech.chunks[at];
      if (!samples) throw new Error('no sound');
      queue.tryPush(samples, { utteranceId: id, startSample: at * samples.length, lengthSamples: samples.length });
      pushed += 1;
    }
  };
  const step = (n: number, record: boolean): void => {
    fill();
    const begin = performance.now();
    const chunk = queue.take();
    if (!chunk) throw new Error('the queue is empty');
    opus.encode(chunk.samples, n * chunk.samples.length);
    maker.advance(n, chunk, queue.ahead(ahead));
    const heard = performance.now();
    const frame = pool.acquire();
    if (!frame) throw new Error('the pool is empty');
    if (exact) maker.draw(frame, n);
    else {
      maker.draw(canvas, n);
      fit.fitInto(canvas, frame);
    }
    const drawn = performance.now();
    const unit = video.encode(frame, n, false);
    const end = performance.now();
    pool.release(frame);
    queue.release(chunk);
    if (!record) return;
    bytes += unit.data.length;
    result.total.push(end - begin);
    result.sound.push(heard - begin);
    result.draw.push(drawn - heard);
    result.encode.push(end - drawn);
  };
  const warmUp = 2 * FRAME_RATE;
  for (let n = 0; n < FRAME_RATE; n++) step(n, false);
  const allocated = NativePicture.allocated;
  for (let n = FRAME_RATE; n < warmUp; n++) step(n, false);
  await settle();
  const before = process.memoryUsage();
  const cpuBefore = process.cpuUsage();
  for (let n = 0; n < count; n++) step(warmUp + n, true);
  const cpu = process.cpuUsage(cpuBefore);
  await settle();
  const after = process.memoryUsage();
  result.kbps = (bytes * 8 * FRAME_RATE) / count / 1000;
  result.cpuMsPerFrame = (cpu.user + cpu.system) / 1000 / count;
  result.pixelAllocations = NativePicture.allocated - allocated;
  result.poolMisses = pool.stats().misses;
  // `external` holds the array buffers too.
  result.externalGrowthKb = (after.external - before.external) / 1024;
  for (const part of [maker, pool, fit, canvas, video, opus, queue]) part.close();
  return result;
}
