/**
 * Fits the small network of `MouthFromSound` to the voices' phonemes, by Adam on what the live analysis measures. Sound
 * is changed in speed, tilt, noise and loudness on the way, so that it fits other speakers and rooms too.
 */
import type { AudioChunk } from '../../src/units.js';
import { CHUNK_SAMPLES } from '../../src/units.js';
import { PcmDoor } from '../../src/audio/door.js';
import { fillInputs } from '../../src/avatar/mouth/mouth-from-sound.js';
import { FIRST_HOP_MS, HOPS, SoundBlocks, type SoundBlock } from '../../src/avatar/mouth/sound-blocks.js';
import { NET_HIDDEN, NET_INPUTS, NET_OUTPUTS, NET_SIZE } from '../../src/avatar/mouth/sound-net.js';
import { SpeechLevel } from '../../src/avatar/mouth/speech-level.js';
import { SENTENCES } from './lip-sentences.js';
import {
  jawSmooth, lipClosures, openEspeak, openFlite, truthOpenness, type Phone, type SpokenSentence,
} from './phoneme-truth.js'; // prettier-ignore

/** Voices that the network is fitted to: all recorded ones, and espeak-ng with several throats. */
const TUNE_VOICES = [
  ['flite', 'slt', 'en', 3], ['flite', 'rms', 'en', 3], ['flite', 'awb', 'en', 3], ['flite', 'kal16', 'en', 2],
  ['espeak', 'en', 'en', 1], ['espeak', 'en-us+f3', 'en', 1], ['espeak', 'en-us+m3', 'en', 1],
  ['espeak', 'de', 'de', 2], ['espeak', 'de+f2', 'de', 1], ['espeak', 'cmn', 'cmn', 2], ['espeak', 'cmn+f4', 'cmn', 1],
] as const; // prettier-ignore

/** Width, rounding and teeth of sounds that have them; all others 0, 0, 0.5. */
const SHAPES: Record<string, readonly [width: number, round: number, teeth: number]> = {
  i: [0.7, 0, 0.7], ɪ: [0.5, 0, 0.6], e: [0.55, 0, 0.6], ɛ: [0.4, 0, 0.5], æ: [0.3, 0, 0.5], j: [0.6, 0, 0.7],
  u: [-0.6, 1, 0.1], ʊ: [-0.4, 0.7, 0.2], o: [-0.35, 0.75, 0.2], ɔ: [-0.2, 0.5, 0.3], ɒ: [-0.1, 0.3, 0.3],
  y: [-0.4, 0.9, 0.2], ø: [-0.3, 0.7, 0.3], œ: [-0.2, 0.5, 0.3], w: [-0.6, 1, 0.1], ɥ: [-0.5, 0.9, 0.1],
  s: [0.4, 0, 1], z: [0.4, 0, 1], ʃ: [-0.2, 0.5, 0.9], ʒ: [-0.2, 0.5, 0.9], ɕ: [0.2, 0.1, 0.9], ʂ: [-0.1, 0.3, 0.9],
  f: [0, 0, 1], v: [0, 0, 1], θ: [0, 0, 0.8], ð: [0, 0, 0.8], t: [0.1, 0, 0.8], d: [0.1, 0, 0.8], n: [0.1, 0, 0.7],
  ɹ: [-0.2, 0.4, 0.5], ɝ: [-0.2, 0.3, 0.5], p: [0, 0, 0], b: [0, 0, 0], m: [0, 0, 0],
}; // prettier-ignore
const PLAIN_SHAPE = [0, 0, 0.5] as const;
/** How much an error counts: openness most, and of the rest what is seen most. */
const OUTPUT_WEIGHTS = [1, 0.25, 0.25, 0.15, 0.4];

interface Samples {
  inputs: number[];
  targets: number[];
}

/** Renders, measures and fits; takes some minutes. `log` gets a line now and then. Deterministic. */
export async function fitSoundNet(log: (line: string) => void): Promise<Float32Array> {
  const random = mulberry32(7);
  const samples = await collect(random);
  const count = samples.targets.length / NET_OUTPUTS;
  log(`${count} moments of speech`);
  return train(Float32Array.from(samples.inputs), Float32Array.from(samples.targets), random, log);
}

async function collect(random: () => number): Promise<Samples> {
  const engines = { espeak: await openEspeak(), flite: await openFlite() };
  const samples: Samples = { inputs: [], targets: [] };
  for (const [engine, voice, language, passes] of TUNE_VOICES) {
    for (const text of SENTENCES[language].tune) {
      const spoken = engines[engine](voice, text);
      for (let pass = 0; pass < passes; pass++) {
        const plain = pass === 0 && random() < 0.5;
        const speed = plain ? 1 : 0.85 + 0.3 * random();
        observe(plain ? spoken : disturb(spoken, random), speed, Math.floor(random() * 4), samples);
      }
    }
  }
  return samples;
}

/** A room and a microphone: spectral tilt, a little noise. */
function disturb(spoken: SpokenSentence, random: () => number): SpokenSentence {
  const tilt = (random() - 0.5) * 0.7;
  const peak = spoken.pcm.reduce((max, sample) => Math.max(max, Math.abs(sample)), 1);
  const noise = random() < 0.5 ? 0 : peak * 10 ** (-(28 + 25 * random()) / 20);
  const gain = 20_000 / peak / (1 + Math.abs(tilt));
  let before = 0;
  const pcm = spoken.pcm.map((sample) => {
    const value = sample - tilt * before;
    before = sample;
    return gain * (value + noise * (random() + random() - 1));
  });
  return { ...spoken, pcm };
}

/** Plays a sentence at another speed (and pitch) and collects what the live analysis would show the network. */
function observe(spoken: SpokenSentence, speed: number, ahead: number, samples: Samples): void {
  const phones = spoken.phones.map(({ ipa, startMs, endMs }) => ({
    ipa,
    startMs: startMs / speed,
    endMs: endMs / speed,
  }));
  const chunks = toChunks(spoken.pcm, Math.round(spoken.sampleRateHz * speed), 'tune');
  const truth = truthChannels(phones, chunks.length * 40);
  const sound = new SoundBlocks();
  const level = new SpeechLevel();
  const inputs = new Float32Array(NET_INPUTS);
  const onNew = (block: SoundBlock) => level.update(block);
  for (let frame = 0; frame < chunks.length; frame++) {
    const blocks: SoundBlock[] = [frame === 0 ? sound.silent : sound.measure(chunks[frame - 1]!, frame === 1, onNew)];
    for (let i = frame; i <= Math.min(chunks.length - 1, frame + ahead); i++) {
      blocks.push(sound.measure(chunks[i]!, i === 0, onNew));
    }
    const last = blocks.length * HOPS - 1;
    for (let hop = HOPS; hop <= Math.min(last, HOPS + 5); hop += 1 + (frame & 1)) {
      const block = blocks[Math.floor(hop / HOPS)]!;
      if (level.gate(block.levelDb[hop % HOPS]!) < 0.5) continue;
      fillInputs(inputs, blocks, hop, last, level.referenceDb);
      const ms = Math.max(0, Math.round(frame * 40 + (hop - HOPS) * 10 + FIRST_HOP_MS));
      samples.inputs.push(...inputs);
      for (const channel of truth) samples.targets.push(channel[Math.min(channel.length - 1, ms)]!);
    }
  }
}

/** A sentence as the pipeline hears it: 48 kHz, 40 ms a chunk. */
export function toChunks(pcm: Int16Array, rateHz: number, utteranceId: string): AudioChunk[] {
  const chunks: AudioChunk[] = [];
  const door = new PcmDoor(rateHz);
  const take = (samples: Int16Array, lengthSamples: number) => {
    chunks.push({ samples: samples.slice(), utteranceId, startSample: chunks.length * CHUNK_SAMPLES, lengthSamples });
  };
  door.write(pcm, take);
  door.flush(take);
  door.close();
  return chunks;
}

function truthChannels(phones: readonly Phone[], lengthMs: number): Float64Array[] {
  const open = truthOpenness(phones, lengthMs);
  const steps = [0, 1, 2].map(() => new Float64Array(open.length));
  for (const { ipa, startMs, endMs } of phones) {
    const letters = [...ipa];
    letters.forEach((letter, i) => {
      const shape = SHAPES[letter] ?? PLAIN_SHAPE;
      const from = Math.round(startMs + ((endMs - startMs) * i) / letters.length);
      const to = Math.round(startMs + ((endMs - startMs) * (i + 1)) / letters.length);
      steps.forEach((channel, c) => channel.fill(shape[c]!, from, to));
    });
  }
  const press = new Float64Array(open.length);
  for (const { startMs, endMs } of lipClosures(phones)) press.fill(1, Math.round(startMs), Math.round(endMs));
  return [open, ...steps.map((channel) => jawSmooth(channel)), press];
}

/** Adam on the squared error, with a little noise on the inputs and a little decay. */
function train(
  inputs: Float32Array,
  targets: Float32Array,
  random: () => number,
  log: (line: string) => void,
): Float32Array {
  const count = targets.length / NET_OUTPUTS;
  const weights = new Float64Array(NET_SIZE);
  const secondLayer = (NET_INPUTS + 1) * NET_HIDDEN;
  for (let i = 0; i < NET_SIZE; i++) {
    weights[i] = (random() + random() + random() - 1.5) * (i < secondLayer ? 0.25 : 0.3);
  }
  const gradient = new Float64Array(NET_SIZE);
  const first = new Float64Array(NET_SIZE);
  const second = new Float64Array(NET_SIZE);
  const hidden = new Float64Array(NET_HIDDEN);
  const back = new Float64Array(NET_HIDDEN);
  const input = new Float64Array(NET_INPUTS);
  const STEPS = 6000;
  const BATCH = 256;
  let loss = 0;
  for (let step = 1; step <= STEPS; step++) {
    gradient.fill(0);
    for (let item = 0; item < BATCH; item++) {
      const pick = Math.floor(random() * count);
      const tilt = 0.1 * (random() - 0.5);
      for (let i = 0; i < NET_INPUTS; i++) input[i] = inputs[pick * NET_INPUTS + i]! + tilt + 0.3 * (random() - 0.5);
      let at = 0;
      for (let unit = 0; unit < NET_HIDDEN; unit++) {
        let sum = weights[at + NET_INPUTS]!;
        for (let i = 0; i < NET_INPUTS; i++) sum += weights[at + i]! * input[i]!;
        hidden[unit] = Math.tanh(sum);
        at += NET_INPUTS + 1;
      }
      back.fill(0);
      for (let output = 0; output < NET_OUTPUTS; output++) {
        let sum = weights[at + NET_HIDDEN]!;
        for (let unit = 0; unit < NET_HIDDEN; unit++) sum += weights[at + unit]! * hidden[unit]!;
        const difference = sum - targets[pick * NET_OUTPUTS + output]!;
        const error = (difference * OUTPUT_WEIGHTS[output]!) / BATCH;
        if (output === 0) loss += difference * difference;
        for (let unit = 0; unit < NET_HIDDEN; unit++) {
          gradient[at + unit] = gradient[at + unit]! + error * hidden[unit]!;
          back[unit] = back[unit]! + error * weights[at + unit]!;
        }
        gradient[at + NET_HIDDEN] = gradient[at + NET_HIDDEN]! + error;
        at += NET_HIDDEN + 1;
      }
      at = 0;
      for (let unit = 0; unit < NET_HIDDEN; unit++) {
        const error = back[unit]! * (1 - hidden[unit]! * hidden[unit]!);
        for (let i = 0; i < NET_INPUTS; i++) gradient[at + i] = gradient[at + i]! + error * input[i]!;
        gradient[at + NET_INPUTS] = gradient[at + NET_INPUTS]! + error;
        at += NET_INPUTS + 1;
      }
    }
    const rate = 0.006 * (1 - step / STEPS) + 1e-4;
    for (let i = 0; i < NET_SIZE; i++) {
      const slope = gradient[i]! + 2e-5 * weights[i]!;
      first[i] = 0.9 * first[i]! + 0.1 * slope;
      second[i] = 0.999 * second[i]! + 0.001 * slope * slope;
      const size = Math.sqrt(second[i]! / (1 - 0.999 ** step)) + 1e-8;
      weights[i] = weights[i]! - (rate * (first[i]! / (1 - 0.9 ** step))) / size;
    }
    if (step % 1000 === 0) {
      log(`step ${step}: rms error of openness ${Math.sqrt(loss / (1000 * BATCH)).toFixed(4)}`);
      loss = 0;
    }
  }
  return Float32Array.from(weights);
}

/** A small generator with a seed, so that a fit can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
