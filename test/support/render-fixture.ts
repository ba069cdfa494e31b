import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagePath } from '../../src/entry.js';
import { MediaClient } from '../../src/media/media-client.js';
import { fromRow, readClipList, type ListedClip } from '../../src/render/clip-list.js';
import { LocalPreparer } from '../../src/render/clip-preparer.js';
import type { RenderEvent } from '../../src/render/render-events.js';
import { render } from '../../src/render/render.js';
import type { RenderSettings, RenderTools } from '../../src/render/render-settings.js';
import { SpeechService } from '../../src/speech/speech-service.js';
import { decodeFile } from './decode-media.js';
import { wav as wavFile } from './server.js';

/** A 16-bit mono WAV file. */
export function wav(samples: Int16Array, rateHz = 48_000): Buffer {
  return wavFile(samples, rateHz);
}

/** A tone that differs from clip to clip, with a sharp beginning and end. */
export function tone(lengthSamples: number, n: number): Int16Array {
  const samples = new Int16Array(lengthSamples);
  for (let i = 0; i < lengthSamples; i++) {
    samples[i] = Math.round(9000 * Math.sin((i * (n + 3)) / 40) + 3000 * Math.sin((i * (n + 1)) / 7));
  }
  return samples;
}

/** Writes clips `1.wav`, `2.wav` … of the given lengths in samples. */
export function writeClips(folder: string, lengths: readonly number[]): void {
  mkdirSync(folder, { recursive: true });
  for (const [i, length] of lengths.entries()) writeFileSync(join(folder, `${i + 1}.wav`), wav(tone(length, i)));
}

/** Small and quick settings. */
export function settings(folder: string, clips: ListedClip[], over: Partial<RenderSettings> = {}): RenderSettings {
  return {
    clips,
    outputFolder: join(folder, 'out'),
    tempFolder: join(folder, 'temp'),
    project: 'test',
    image: null,
    avatar: null,
    split: null,
    output: { width: 128, height: 72, rate: { num: 25, den: 1 }, format: 'mp4', soundKbps: 96 },
    subtitles: { srt: false, burn: false },
    font: null,
    gapMs: 0,
    jobs: 2,
    full: false,
    fresh: false,
    skipBad: false,
    keepTemp: false,
    dryRun: false,
    wait: false,
    ...over,
  };
}

/** What renders need, for all tests of a file. */
export class RenderTestTools {
  readonly media = new MediaClient();
  readonly speech = new SpeechService({ repeatable: true });
  events: RenderEvent[] = [];

  tools(over: Partial<RenderTools> = {}): RenderTools {
    this.events = [];
    return {
      media: () => this.media,
      speech: () => this.speech,
      preparer: new LocalPreparer(
        () => this.media,
        () => this.speech,
      ),
      bake: () => Promise.reject(new Error('no avatar here')),
      clock: () => performance.now(),
      signal: new AbortController().signal,
      onEvent: (event) => this.events.push(event),
      ...over,
    };
  }

  run(wanted: RenderSettings, over: Partial<RenderTools> = {}) {
    return render(wanted, this.tools(over));
  }

  notes(): string[] {
    return this.events.flatMap((event) => (event.event === 'note' ? [event.message] : []));
  }

  async close(): Promise<void> {
    await Promise.all([this.media.close(), this.speech.close()]);
  }
}

export { readClipList, fromRow };

/** What a file holds when it is decoded. */
export interface Decoded {
  sound: Float32Array;
  soundStartS: number;
  /** Times of the pictures in seconds, and the mean luma of each. */
  pictures: { timeS: number; luma: number }[];
}

export function decode(path: string): Decoded {
  const blocks: Float32Array[] = [];
  const pictures: Decoded['pictures'] = [];
  let soundStartS = Number.NaN;
  decodeFile(path, (kind, frame, timeS) => {
    const plane = frame.data?.[0];
    if (!plane) throw new Error('no plane');
    if (kind === 'video') {
      let sum = 0;
      for (let i = 0; i < frame.width; i++) sum += plane[i]!;
      pictures.push({ timeS, luma: sum / frame.width });
      return;
    }
    if (Number.isNaN(soundStartS)) soundStartS = timeS;
    blocks.push(new Float32Array(plane.buffer, plane.byteOffset, frame.nbSamples).slice());
  });
  const sound = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    sound.set(block, at);
    at += block.length;
  }
  return { sound, soundStartS, pictures };
}

export function hashOfSound(path: string): string {
  const { sound } = decode(path);
  return createHash('sha256').update(Buffer.from(sound.buffer)).digest('hex');
}

export function hashOfFile(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** A `dh-live` command under way. */
export interface CliRun {
  process: ChildProcess;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>;
}

export function startCli(args: readonly string[], cwd: string): CliRun {
  const child = spawn(process.execPath, [packagePath('dist/cli.js'), ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()));
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>(
    (resolve) => child.once('close', (code, signal) => resolve({ code, signal, out, err })),
  );
  return { process: child, ended };
}
