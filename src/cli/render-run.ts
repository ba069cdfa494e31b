import { availableParallelism } from 'node:os';
import { basename, resolve } from 'node:path';
import { BakeService } from '../avatar/bake-service.js';
import { avatarFolders, loadConfig } from '../config/load.js';
import { DhError } from '../errors.js';
import { MediaClient } from '../media/media-client.js';
import { hashOf } from '../render/clip-check.js';
import { readClipList, type ListedClip } from '../render/clip-list.js';
import { LocalPreparer, type ClipPreparer } from '../render/clip-preparer.js';
import type { FrameRate } from '../render/frame-grid.js';
import type { VideoFormat } from '../render/output.js';
import { isAvatarRate } from '../render/part-jobs.js';
import { PROJECT_NAME, PROJECT_RULE } from '../render/project-name.js';
import { render } from '../render/render.js';
import type { RenderSettings } from '../render/render-settings.js';
import { endWithParent } from '../rpc/parent.js';
import { SpeechService } from '../speech/speech-service.js';
import { SAMPLE_RATE } from '../units.js';
import { defaultCacheDir } from './cache-dir.js';
import { RenderReport } from './render-report.js';

/** The flags of `dh-live render`. */
export interface RenderFlags {
  output: string;
  image?: string;
  avatar?: string;
  /** ms */
  split?: number;
  splitExact?: boolean;
  size: { width: number; height: number };
  fps: FrameRate;
  format: VideoFormat;
  subtitles?: 'srt' | 'burn' | 'both';
  font?: string;
  /** ms */
  gap: number;
  voice?: string;
  language?: string;
  full?: boolean;
  project?: string;
  jobs?: number;
  skipBad?: boolean;
  fresh?: boolean;
  keepTemp?: boolean;
  temp: string;
  dryRun?: boolean;
  wait?: boolean;
  json?: boolean;
}

const SOUND_KBPS = 96;

/** Runs `dh-live render`. Returns the exit code: 0, or 2 when clips were left out. Throws what `render` throws. */
export async function runRender(input: string, flags: RenderFlags): Promise<number> {
  const report = new RenderReport({
    json: flags.json === true,
    terminal: process.stderr.isTTY ? process.stderr : null,
  });
  const media = lazy(() => new MediaClient({ idleMs: 100, maxWaiting: 64 }));
  const speech = lazy(() => new SpeechService({ maxCharacters: Number.MAX_SAFE_INTEGER, repeatable: true }));
  const bakes = lazy(() => {
    const config = loadConfig({ env: process.env });
    return new BakeService({ cacheDir: config.cacheDir ?? defaultCacheDir(), avatarsDirs: avatarFolders(config) });
  });
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort(new DhError('shutting_down', 'Stopped.', { hint: 'The same command goes on where it was.' }));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  // A server that was killed has nobody to write for; the next one goes on with what is there.
  if (process.send !== undefined) endWithParent(() => process.exit(1));
  process.channel?.unref();
  let preparer: ClipPreparer | null = null;
  try {
    const clips = await readClipList(input);
    // Starts beside what is still to be loaded here.
    if (clips.some(({ source }) => source.kind === 'file')) media.get().warm();
    const settings = settingsOf(input, flags, clips);
    preparer = await openPreparer(media.get, speech.get, settings);
    const result = await render(settings, {
      media: media.get,
      speech: speech.get,
      preparer,
      bake: (avatar, size) => bakes.get().bake(avatar, size),
      clock: () => performance.now(),
      signal: controller.signal,
      onEvent: (event) => report.tell(event),
    });
    report.done(result);
    return result !== null && result.bad.length > 0 ? 2 : 0;
  } catch (error) {
    report.failed(DhError.from(error));
    throw error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await Promise.all([preparer?.close(), media.made?.close(), speech.made?.close(), bakes.made?.close()]);
  }
}

/** Over Redis when there is one, else in this process. */
async function openPreparer(
  media: () => MediaClient,
  speech: () => SpeechService,
  { jobs, dryRun }: RenderSettings,
): Promise<ClipPreparer> {
  const local = new LocalPreparer(media, speech);
  const url = process.env['REDIS_URL'];
  if (!url || dryRun) return local;
  // Only here: nobody else needs what this loads.
  const { RedisPreparer } = await import('../render/redis-preparer.js');
  return RedisPreparer.open({ url, local, jobs });
}

function settingsOf(input: string, flags: RenderFlags, clips: ListedClip[]): RenderSettings {
  if (flags.avatar !== undefined && !isAvatarRate(flags.fps)) {
    throw new DhError('bad_request', 'An avatar moves at 25 pictures a second.', { hint: 'Leave --fps out.' });
  }
  if (flags.splitExact && flags.split === undefined) {
    throw new DhError('bad_request', '--split-exact needs a time.', { hint: '--split 10m --split-exact' });
  }
  const project = flags.project ?? projectOf(input);
  if (!PROJECT_NAME.test(project)) {
    throw new DhError('bad_request', `"${project}" cannot be the name of a project.`, {
      hint: `Use ${PROJECT_RULE}: --project course-1`,
    });
  }
  const { voice = null, language = null, subtitles } = flags;
  return {
    clips: clips.map((clip) =>
      clip.source.kind === 'file'
        ? clip
        : {
            ...clip,
            source: { ...clip.source, voice: clip.source.voice ?? voice, language: clip.source.language ?? language },
          },
    ),
    outputFolder: resolve(flags.output),
    tempFolder: resolve(flags.temp),
    project,
    image: flags.image === undefined ? null : resolve(flags.image),
    avatar: flags.avatar ?? null,
    split:
      flags.split === undefined
        ? null
        : { everySamples: (flags.split * SAMPLE_RATE) / 1000, exact: flags.splitExact === true },
    output: { ...flags.size, rate: flags.fps, format: flags.format, soundKbps: SOUND_KBPS },
    subtitles: {
      srt: subtitles === 'srt' || subtitles === 'both',
      burn: subtitles === 'burn' || subtitles === 'both',
    },
    font: flags.font === undefined ? null : resolve(flags.font),
    gapMs: flags.gap,
    jobs: flags.jobs ?? Math.min(4, availableParallelism()),
    full: flags.full === true,
    fresh: flags.fresh === true,
    skipBad: flags.skipBad === true,
    keepTemp: flags.keepTemp === true,
    dryRun: flags.dryRun === true,
    wait: flags.wait === true,
  };
}

/** The same input, the same project; inputs of one name elsewhere have another. */
function projectOf(input: string): string {
  const path = resolve(input);
  const name = basename(path)
    .replace(/[^a-z0-9]+/gi, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return [name, hashOf(path).slice(0, 8)].filter(Boolean).join('-');
}

/** Something that is made when it is first needed. */
function lazy<T>(make: () => T): { get: () => T; readonly made: T | undefined } {
  let made: T | undefined;
  return {
    get: () => (made ??= make()),
    get made() {
      return made;
    },
  };
}
