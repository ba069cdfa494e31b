import { constants, setPriority } from 'node:os';
import { AudioQueue } from '../audio/audio-queue.js';
import { layOutBaked, type BakedAvatar } from '../avatar/baked.js';
import { Fit } from '../frames/fit.js';
import { FramePool } from '../frames/frame-pool.js';
import { PictureMaker } from '../frames/picture-maker.js';
import { endWithParent } from '../rpc/parent.js';
import { OpusEncoder } from '../stream/encoders/opus-encoder.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES, neutralMouth, type AudioChunk } from '../units.js';
import type { FrameCost, MeasuredProfile } from './frame-cost.js';

/**
 * Child process that measures what a frame costs here: a made-up face is moved by made-up speech, drawn and encoded as in
 * a session. It is told its `MeasurementTask` as its argument, sends the costs and ends.
 */
export interface MeasurementTask {
  profiles: Record<string, MeasuredProfile>;
  /** Something else goes first, as a server that starts: for that it runs at a lower priority. */
  background: boolean;
}

/** Pictures of the first profile that are not counted: code is compiled meanwhile. */
const FIRST_WARM_UP_FRAMES = 25;
/** Pictures of each other profile that are not counted: the first one is an IDR. */
const WARM_UP_FRAMES = 5;
/** A profile is measured for this long, and for at least so many pictures. */
const PROFILE_MS = 450;
const LEAST_FRAMES = 15;
const MOUTHS = 24;

function measure(
  { width, height, bitrateKbps, x264Preset, opusBitrateKbps }: MeasuredProfile,
  warmUpFrames: number,
): FrameCost {
  const maker = new PictureMaker(syntheticBake(width, height), 1);
  const pool = new FramePool({ width, height, size: 2 });
  const fit = new Fit();
  const video = new VideoEncoder({ width, height, bitrateKbps, x264Preset });
  const opus = new OpusEncoder({ bitrateKbps: opusBitrateKbps });
  const queue = new AudioQueue({ capacity: 4 });
  const ahead: AudioChunk[] = [];
  const sound = new Int16Array(CHUNK_SAMPLES);
  const taken: number[] = [];
  let pushed = 0;
  const step = (n: number): void => {
    while (queue.room > 0) {
      babble(sound, pushed);
      queue.tryPush(sound, {
        utteranceId: 'measure',
        startSample: pushed * CHUNK_SAMPLES,
        lengthSamples: CHUNK_SAMPLES,
      });
      pushed += 1;
    }
    const chunk = queue.take();
    const frame = pool.acquire();
    if (!chunk || !frame) throw new Error('the pool or the queue is empty');
    opus.encode(chunk.samples, n * CHUNK_SAMPLES);
    maker.advance(n, chunk, queue.ahead(ahead));
    maker.draw(frame, n);
    video.encode(frame, n, false);
    pool.release(frame);
    queue.release(chunk);
  };
  for (let n = 0; n < warmUpFrames; n++) step(n);
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  for (let n = 0; n < LEAST_FRAMES || performance.now() - begin < PROFILE_MS; n++) {
    const from = performance.now();
    step(warmUpFrames + n);
    taken.push(performance.now() - from);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const part of [maker, pool, fit, video, opus, queue]) part.close();
  taken.sort((a, b) => a - b);
  return {
    cpuMs: (user + system) / 1000 / taken.length,
    p95Ms: taken[Math.ceil(0.95 * taken.length) - 1] ?? 0,
    frames: taken.length,
  };
}

/** Something like speech: a tone whose pitch and loudness wander, with pauses. */
function babble(out: Int16Array, chunk: number): void {
  const loud = chunk % 20 < 16 ? 0.25 + 0.15 * Math.sin(chunk * 0.9) : 0;
  const hz = 140 + 60 * Math.sin(chunk * 0.37);
  for (let i = 0; i < out.length; i++) {
    const phase = (2 * Math.PI * hz * (chunk * CHUNK_SAMPLES + i)) / 48_000;
    out[i] = Math.round(
      32_767 * loud * (0.6 * Math.sin(phase) + 0.3 * Math.sin(3.1 * phase) + 0.1 * Math.sin(9.7 * phase)),
    );
  }
}

/** A face of the built-in presenter's proportions, with a smooth pattern instead of pixels that somebody drew. */
function syntheticBake(width: number, height: number): BakedAvatar {
  const even = (value: number): number => 2 * Math.round(value / 2);
  const middle = width / 2;
  const rect = (wide: number, top: number, high: number) => ({
    x: even(middle - (wide * height) / 2),
    y: even(top * height),
    width: even(wide * height),
    height: even(high * height),
  });
  const mouths = Array.from({ length: MOUTHS }, (_, i) => Object.values({ ...neutralMouth(), open: i / (MOUTHS - 1) }));
  const baked = layOutBaked({
    name: 'measure',
    title: 'Measurement',
    pictureWidth: width,
    pictureHeight: height,
    outputWidth: width,
    outputHeight: height,
    fit: { x: 0, y: 0, width, height },
    anchors: {
      head: { x: middle, y: 0.364 * height, rx: 0.285 * height, ry: 0.347 * height },
      pivot: { x: middle, y: 0.7 * height },
      chest: { x: middle, y: 0.89 * height, rx: 0.417 * height, ry: 0.208 * height },
    },
    baseCount: 1,
    regions: [
      { name: 'mouth', rect: rect(0.29, 0.43, 0.24), poses: mouths },
      { name: 'eyes', rect: rect(0.28, 0.305, 0.058), poses: [0, 0.5, 1].map((close) => [0, 0, close]) },
      {
        name: 'brows',
        rect: rect(0.29, 0.255, 0.047),
        poses: [
          [0, 0],
          [1, 0],
        ],
      },
    ],
  });
  for (const base of baked.bases) {
    paint(base.y, base.strideY, 0);
    paint(base.u, base.strideUV, 40);
    paint(base.v, base.strideUV, 80);
  }
  baked.regions.forEach(({ patches, rect: { width: wide } }, i) => paint(patches, wide, 20 * i));
  return baked;
}

function paint(plane: Uint8Array, stride: number, shift: number): void {
  const across = Float64Array.from({ length: stride }, (_, x) => 50 * Math.sin(x / 37));
  for (let y = 0, i = 0; i < plane.length; y++) {
    const down = Math.cos(y / 29);
    for (let x = 0; x < stride && i < plane.length; x++, i++) {
      plane[i] = 120 + shift / 2 + across[x]! * down + ((x * 7 + y * 13) % 5);
    }
  }
}

/** Costs by name. The smallest picture comes first: what is compiled meanwhile, the others find compiled. */
function measureAll(profiles: MeasurementTask['profiles']): Record<string, FrameCost> {
  const pixels = ({ width, height }: MeasuredProfile): number => width * height;
  const bySize = Object.entries(profiles).sort(([, a], [, b]) => pixels(a) - pixels(b));
  return Object.fromEntries(
    bySize.map(([name, profile], i) => [name, measure(profile, i === 0 ? FIRST_WARM_UP_FRAMES : WARM_UP_FRAMES)]),
  );
}

endWithParent();
const { profiles, background } = JSON.parse(process.argv[2] ?? '{}') as MeasurementTask;
try {
  if (background) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // Not allowed here; then it runs as it is.
}
process.send?.(measureAll(profiles), undefined, undefined, () => process.kill(process.pid, 'SIGKILL'));
