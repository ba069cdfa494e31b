/**
 * `npm run bench:lips`: how well the lips follow the speech. Sentences of the embedded voices are played to the mouth as
 * the live pipeline does, with and without their cues; openness is compared with the phonemes' truth in the poses and in
 * the drawn pictures. `--fit` fits the network of the sound-driven mouth anew instead and writes its weights.
 */
import { writeFileSync } from 'node:fs';
import { MouthTracker } from '../src/avatar/mouth/mouth-tracker.js';
import { encodeWeights } from '../src/avatar/mouth/sound-net.js';
import { packagePath } from '../src/entry.js';
import { CHUNK_SAMPLES, neutralMouth, type AudioChunk } from '../src/units.js';
import { fitSoundNet } from './lib/fit-sound-net.js';
import { LipPixels } from './lib/lip-pixels.js';
import {
  bestLagMs, closedShare, correlation, playSentence, renderSentences, type BenchSentence, type LipRun,
} from './lib/lip-run.js'; // prettier-ignore
import { BENCH_VOICES } from './lib/lip-sentences.js';
import { benchOptions } from './lib/options.js';
import { quantile, report, type Targets } from './lib/report.js';

const WEIGHTS_FILE = packagePath('src/avatar/mouth/sound-net-weights.ts');
const values = benchOptions({ fit: { type: 'boolean' } });

if (values.fit) {
  const weights = await fitSoundNet((line) => console.log(line));
  writeFileSync(
    WEIGHTS_FILE,
    `/** Made by \`npm run bench:lips -- --fit\`; read by \`decodeWeights\`. */\n` +
      `export const SOUND_NET_WEIGHTS =\n  '${encodeWeights(weights)}';\n`,
  );
} else {
  process.exitCode = (await judge()) ? 0 : 1;
}

async function judge(): Promise<boolean> {
  const figures: Record<string, number> = {};
  const targets: Targets = {};
  const sentences = await renderSentences();
  const pixels = await LipPixels.load(packagePath('.cache/avatars'));
  const seen = new Map<LipRun, readonly number[]>();
  const inPictures = (run: LipRun): readonly number[] => {
    let openness = seen.get(run);
    if (openness === undefined) seen.set(run, (openness = run.poses.map((pose) => pixels.measure(pose))));
    return openness;
  };
  for (const { name } of BENCH_VOICES) {
    const own = sentences.filter(({ voice }) => voice === name);
    for (const way of ['cues', 'sound'] as const) {
      const runs = own.map((sentence) => playSentence(sentence, { cues: way === 'cues', ahead: 3 }));
      const lag = bestLagMs(runs, inPictures);
      figures[`${name}_${way}_correlation`] = correlation(runs, inPictures);
      targets[`${name}_${way}_correlation`] = way === 'cues' ? '>= 0.9' : '>= 0.75';
      figures[`${name}_${way}_lag_ms`] = lag;
      figures[`${name}_${way}_lag_abs_ms`] = Math.abs(lag);
      targets[`${name}_${way}_lag_abs_ms`] = '<= 40';
      figures[`${name}_${way}_pose_correlation`] = correlation(runs, openOf);
      figures[`${name}_${way}_lips_closed`] = closedShare(runs, inPictures);
      if (way === 'cues') targets[`${name}_${way}_lips_closed`] = '>= 0.9';
    }
    const bare = own.map((sentence) => playSentence(sentence, { cues: false, ahead: 0 }));
    figures[`${name}_sound_no_look_ahead_pose_correlation`] = correlation(bare, openOf);
  }
  for (const [name, chunks] of stillSounds()) {
    figures[`still_${name}`] = movement(chunks);
    targets[`still_${name}`] = '<= 0.01';
  }
  const times = frameTimes(sentences);
  figures.frame_ms_p50 = quantile(times, 0.5);
  figures.frame_ms_p99 = quantile(times, 0.99);
  targets.frame_ms_p50 = '<= 0.3';
  return report('lips', figures, targets);
}

function openOf(run: LipRun): readonly number[] {
  return run.poses.map(({ open }) => open);
}

/** Ten seconds each of what must not move the mouth. */
function stillSounds(): [string, AudioChunk[]][] {
  let state = 1;
  const noise = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x3fffffff - 1;
  const white = (dbfs: number) => () => Math.round(32_768 * 10 ** (dbfs / 20) * Math.sqrt(3) * noise());
  return [
    ['silence', soundOf(() => 0)],
    ['white_noise_60_db', soundOf(white(-60))],
    ['white_noise_45_db', soundOf(white(-45))],
    ['hum', soundOf((i) => Math.round(200 * Math.sin((2 * Math.PI * 100 * i) / 48_000)))],
  ];
}

function soundOf(sample: (index: number) => number): AudioChunk[] {
  return Array.from({ length: 250 }, (_, k) => ({
    samples: Int16Array.from({ length: CHUNK_SAMPLES }, (_, i) => sample(k * CHUNK_SAMPLES + i)),
    utteranceId: 'still',
    startSample: k * CHUNK_SAMPLES,
    lengthSamples: CHUNK_SAMPLES,
  }));
}

/** Largest openness less the smallest. */
function movement(chunks: readonly AudioChunk[]): number {
  const tracker = new MouthTracker();
  const pose = neutralMouth();
  let low = 1;
  let high = 0;
  for (let frame = 0; frame < chunks.length; frame++) {
    tracker.next(chunks[frame]!, chunks.slice(frame + 1, frame + 4), pose);
    low = Math.min(low, pose.open);
    high = Math.max(high, pose.open);
  }
  return high - low;
}

/** What a frame costs, all sentences through one mouth by their sound. */
function frameTimes(sentences: readonly BenchSentence[]): number[] {
  const tracker = new MouthTracker();
  const pose = neutralMouth();
  const times: number[] = [];
  for (const { chunks } of sentences) {
    for (let frame = 0; frame < chunks.length; frame++) {
      const ahead = chunks.slice(frame + 1, frame + 4);
      const start = performance.now();
      tracker.next(chunks[frame]!, ahead, pose);
      times.push(performance.now() - start);
    }
  }
  return times;
}
