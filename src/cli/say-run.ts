import { BakeService } from '../avatar/bake-service.js';
import { loadBaked } from '../avatar/baked.js';
import { avatarFolders, loadConfig } from '../config/load.js';
import { DhError } from '../errors.js';
import { MediaClient } from '../media/media-client.js';
import { sayToFile } from '../render/say-to-file.js';
import { SpeechService } from '../speech/speech-service.js';
import { SAMPLE_RATE, type SpeechPiece } from '../units.js';
import { defaultCacheDir } from './cache-dir.js';
import { ProgressLine } from './progress-line.js';

/** The flags of `dh-live say`. */
export interface SayFlags {
  output: string;
  audio?: string;
  voice?: string;
  language?: string;
  avatar?: string;
  preset?: string;
  json?: boolean;
}

/** Runs `dh-live say`. Throws `bad_request` and what the voice, the file or the disk throws. */
export async function say(text: string | undefined, flags: SayFlags): Promise<void> {
  if ((text === undefined) === (flags.audio === undefined)) {
    throw new DhError('bad_request', 'Say what to speak: a text, or --audio with a file.', {
      hint: 'dh-live say "Hello" -o hello.mp4',
    });
  }
  const config = loadConfig({ preset: flags.preset, env: process.env });
  const { width, height } = config.session;
  const speech = new SpeechService({ maxCharacters: Number.MAX_SAFE_INTEGER });
  const media = new MediaClient();
  const bakes = new BakeService({ cacheDir: config.cacheDir ?? defaultCacheDir(), avatarsDirs: avatarFolders(config) });
  const controller = new AbortController();
  const stop = (): void => controller.abort(new DhError('shutting_down', 'Stopped.'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const begin = performance.now();
  const bar = flags.json === true || !process.stderr.isTTY ? null : new ProgressLine(process.stderr);
  try {
    const source = await open(text, flags, { speech, media, signal: controller.signal });
    const path = await bakes.bake(flags.avatar ?? config.avatar, { width, height }, (done, total) => {
      bar?.show(done / total, 'drawing the avatar');
    });
    const baked = await loadBaked(path);
    const durationS = await sayToFile({
      sound: source.sound,
      baked,
      profile: config.session,
      path: flags.output,
      signal: controller.signal,
      onProgress: (doneS) => {
        bar?.show(doneS / Math.max(doneS, source.aboutS), `speaking ${doneS.toFixed(1)} s`);
      },
    });
    bar?.close();
    const tookS = (performance.now() - begin) / 1000;
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ path: flags.output, durationS, tookS, width, height })}\n`);
    else {
      const speed = (durationS / tookS).toFixed(1);
      process.stdout.write(`${flags.output}: ${durationS.toFixed(1)} s, ${width}×${height}, ${speed} × real time\n`);
    }
  } finally {
    bar?.close();
    await Promise.all([speech.close(), media.close(), bakes.close()]);
  }
}

interface Opened {
  sound: AsyncIterable<SpeechPiece>;
  /** Length in seconds: known for a file, guessed for a text. */
  aboutS: number;
}

interface Parts {
  speech: SpeechService;
  media: MediaClient;
  signal: AbortSignal;
}

async function open(text: string | undefined, flags: SayFlags, { speech, media, signal }: Parts): Promise<Opened> {
  if (flags.audio !== undefined) {
    const { durationS } = await media.probe(flags.audio, { signal });
    const decoded = media.decode(flags.audio, { maxDurationS: Number.MAX_SAFE_INTEGER, timeoutMs: 3_600_000, signal });
    return { sound: pieces(decoded), aboutS: durationS ?? 1 };
  }
  const plan = speech.plan({ text: text ?? '', voice: flags.voice, language: flags.language });
  // About 15 letters a second, 5 ideographs.
  const dense = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(text ?? '');
  return { sound: speech.speak(plan, signal), aboutS: (text ?? '').length / (dense ? 5 : 15) };
}

async function* pieces(decoded: AsyncIterable<Int16Array>): AsyncGenerator<SpeechPiece, void, undefined> {
  for await (const pcm of decoded) yield { pcm, sampleRateHz: SAMPLE_RATE, cues: null };
}
