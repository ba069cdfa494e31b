import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { DhError } from '../errors.js';
import type { MediaClient } from '../media/media-client.js';
import type { SpeechService } from '../speech/speech-service.js';
import { SAMPLE_RATE, type Clock } from '../units.js';
import { writeAtomically } from './atomic-file.js';
import { captionFont, missingLetters } from './caption-font.js';
import { toSrt } from './captions.js';
import { ClipChecker, hashOf, isBad, type BadClip, type CheckedClip } from './clip-check.js';
import type { ListedClip } from './clip-list.js';
import type { ClipPreparer } from './clip-preparer.js';
import { checkSpace, freeSpace, mb, type FreeSpace } from './disk-space.js';
import { renderFull } from './full-file.js';
import { loadManifest, manifestPath, newManifest, saveManifest, type DonePart, type Manifest } from './manifest.js';
import type { OutputSettings } from './output.js';
import { diskError } from './part-file.js';
import { partJobs, type PlannedJob } from './part-jobs.js';
import { PartWorkers } from './part-workers.js';
import { planRender, type RenderPlan, type SplitRule } from './plan.js';
import { preparedBytes, PreparedClips, type PreparedClip } from './prepared-clips.js';
import { ProgressMeter } from './progress-meter.js';
import { ProjectLock } from './project-lock.js';
import type { RenderEvent, RenderResult } from './render-events.js';
import { renderIndex } from './render-index.js';
import { renderPart } from './render-part.js';
import { StillTemplates } from './still-templates.js';

/** What is rendered, and how. */
export interface RenderSettings {
  clips: ListedClip[];
  /** Folder of the finished files. */
  outputFolder: string;
  /** Folder of the temporary ones; each project has its own inside. */
  tempFolder: string;
  project: string;
  /** Picture of clips that have none of their own; null: black. Not used with an avatar. */
  image: string | null;
  /** Who speaks; null: still pictures. */
  avatar: string | null;
  split: SplitRule | null;
  output: OutputSettings;
  subtitles: { srt: boolean; burn: boolean };
  /** Font of burnt-in text; null: the usual one. */
  font: string | null;
  gapMs: number;
  /** Clips that are prepared, and parts with an avatar that are made, at a time. */
  jobs: number;
  /** Also one file of the whole. */
  full: boolean;
  fresh: boolean;
  skipBad: boolean;
  keepTemp: boolean;
  dryRun: boolean;
}

/** The outside world. */
export interface RenderTools {
  media: () => MediaClient;
  speech: () => SpeechService;
  preparer: ClipPreparer;
  /** Draws an avatar for a size; returns the file's path. */
  bake: (avatar: string, size: { width: number; height: number }) => Promise<string>;
  clock: Clock;
  signal: AbortSignal;
  onEvent: (event: RenderEvent) => void;
  free?: (folder: string) => Promise<FreeSpace>;
}

/** Seconds of one core that a second of each work takes; only their relation counts. */
const WORK = { checkClip: 0.02, prepareSecond: 0.007, stillSecond: 0.012, avatarSecond: 0.2, fullSecond: 0.011 };
/** Bytes a second that pictures take, as far as that can be told beforehand. */
const STILL_BYTES_PER_S = 12_000;
const AVATAR_BITS_PER_PIXEL = 0.12;
/** After these nothing is lost: the same command goes on. */
const RESUMABLE = new Set([
  'disk_full',
  'shutting_down',
  'clips_invalid',
  'task_crashed',
  'media_unavailable',
  'server_unreachable',
  'not_found',
]);
/** What a clip itself is to blame for. */
const CLIP_FAULTS = new Set(['not_found', 'audio_invalid', 'audio_unsupported', 'audio_too_long', 'speech_failed']);
const HIDDEN = /^\.(part-\d+|full)\.(mp4|webm)\.\d+\.part$/;

/** Where the files of a project are. */
export function projectFolder(tempFolder: string, project: string): string {
  return join(tempFolder, 'video_segments', project);
}

/**
 * Turns clips into videos. Prepares each clip on its own, then writes part after part from the prepared sound; what an
 * earlier run of the project has finished, and nothing has changed since, is not made again.
 * @throws DhError `clips_invalid` (all of them, before any work), `disk_full` (with figures), `render_busy`,
 * `write_failed`, `avatar_not_found`, the signal's reason …
 */
export async function render(settings: RenderSettings, tools: RenderTools): Promise<RenderResult | null> {
  const run = new Render(settings, tools);
  if (settings.dryRun) {
    await run.dryRun();
    return null;
  }
  return run.run();
}

class Render {
  readonly #settings: RenderSettings;
  readonly #tools: RenderTools;
  readonly #folder: string;
  readonly #store: PreparedClips;
  readonly #meter: ProgressMeter;
  readonly #workers = new PartWorkers();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #stills: StillTemplates;
  #manifest: Manifest;
  #saving: Promise<void> = Promise.resolve();
  #bad: BadClip[] = [];
  #image: { path: string; hash: string } | null = null;
  #bakedPath: string | null = null;
  #fontFile: string | null = null;

  constructor(settings: RenderSettings, tools: RenderTools) {
    this.#settings = settings;
    this.#tools = tools;
    this.#folder = projectFolder(settings.tempFolder, settings.project);
    this.#store = new PreparedClips(join(this.#folder, 'clips'));
    this.#stills = new StillTemplates(settings.output);
    this.#signal = AbortSignal.any([tools.signal, this.#stop.signal]);
    this.#manifest = newManifest(settings.project, settings.outputFolder);
    this.#meter = new ProgressMeter({
      clock: tools.clock,
      rssBytes: () => process.memoryUsage.rss() + tools.preparer.rssBytes() + this.#workers.rssBytes(),
      onProgress: (progress) => tools.onEvent({ event: 'progress', ...progress }),
    });
  }

  /** Says what would be done; writes nothing. */
  async dryRun(): Promise<void> {
    if (!this.#settings.fresh) await this.#load();
    const clips = await this.#check();
    await this.#reckon(clips);
    const about = (clip: CheckedClip) => this.#manifest.clips[clip.key]?.lengthSamples ?? clip.aboutS * SAMPLE_RATE;
    const plan = this.#plan(clips, (clip) => Math.round(about(clip)));
    this.#tellTotal(plan, 0);
  }

  async run(): Promise<RenderResult> {
    const { outputFolder, project } = this.#settings;
    await makeFolder(outputFolder);
    await makeFolder(this.#store.folder);
    const lock = await ProjectLock.acquire(join(this.#folder, 'lock'), `The project ${project}`);
    try {
      const outputLock = await ProjectLock.acquire(join(outputFolder, '.render.lock'), `The folder ${outputFolder}`);
      try {
        await this.#refuseForeignFolder();
        return await this.#locked();
      } finally {
        await outputLock.close();
      }
    } finally {
      this.#stills.close();
      await lock.close();
    }
  }

  /** The files of another project would be overwritten. */
  async #refuseForeignFolder(): Promise<void> {
    const { outputFolder, project } = this.#settings;
    const text = await readFile(join(outputFolder, 'index.json'), 'utf8').catch(() => null);
    const owner = text === null ? undefined : /"project": "([^"]*)"/.exec(text)?.[1];
    if (owner === undefined || owner === project) return;
    throw new DhError('bad_request', `${outputFolder} holds the videos of the project ${owner}.`, {
      hint: `Choose another folder, or go on with that project: --project ${owner}`,
    });
  }

  async #locked(): Promise<RenderResult> {
    try {
      await this.#load();
      if (this.#settings.fresh) await this.#startOver();
      await this.#removeHidden();
      const result = await this.#work();
      if (!this.#settings.keepTemp) await this.#clean('finished');
      return result;
    } catch (error) {
      // Whatever else is running stops before the files go.
      this.#stop.abort(error);
      await this.#workers.close();
      await this.#afterFailure(DhError.from(error));
      throw error;
    } finally {
      await this.#workers.close();
    }
  }

  async #work(): Promise<RenderResult> {
    const checked = await this.#check();
    await this.#reckon(checked);
    await this.#save();
    const clips = await this.#prepareLengths(checked);
    // A clip that is prepared once more may come out different: planned anew then.
    for (let attempt = 0; attempt < 3; attempt++) {
      const result = await this.#produce(clips);
      if (result) return result;
    }
    throw new DhError('internal', 'The clips change while they are rendered.');
  }

  /** Plans and writes what is missing; null when a clip turned out to have another length than the plan was made for. */
  async #produce(clips: readonly CheckedClip[]): Promise<RenderResult | null> {
    const plan = this.#plan(clips, ({ key }) => this.#prepared(key).lengthSamples);
    const jobs = partJobs({
      plan,
      clips,
      prepared: (key) => this.#prepared(key),
      store: this.#store,
      outputFolder: this.#settings.outputFolder,
      output: this.#settings.output,
      image: this.#image,
      bakedPath: this.#bakedPath,
      fontFile: this.#fontFile,
    });
    const done = new Map<PlannedJob, DonePart>();
    for (const job of jobs) {
      const part = await this.#donePart(job.file, job.key);
      if (part) done.set(job, part);
    }
    this.#tellTotal(plan, done.size);
    await this.#removeOldParts(jobs);
    const pending = jobs.filter((job) => !done.has(job));
    const needed = new Set(pending.flatMap(({ needs }) => [...needs]));
    const full = this.#settings.full ? await this.#fullKey(jobs) : null;
    if (full && !full.done) for (const { key } of clips) needed.add(key);
    this.#meter.expect(this.#workOf(pending, full && !full.done ? plan.totalSamples : 0));
    await this.#prepareMissing(clips.filter(({ key }) => needed.has(key)));
    await this.#save();
    if (
      plan.clips.some(({ index, lengthSamples }) => this.#prepared(clips[index]!.key).lengthSamples !== lengthSamples)
    ) {
      return null;
    }
    await this.#writeParts(pending, jobs.length, done);
    if (full && !full.done) await this.#writeFull(plan, jobs, clips, full.key);
    return this.#finish(plan, clips, jobs, done);
  }

  async #load(): Promise<void> {
    const { project, outputFolder } = this.#settings;
    this.#manifest = await loadManifest(this.#folder, project, outputFolder);
  }

  /** One after the other: parts may be finished at the same time. */
  #save(): Promise<void> {
    const { clips: _clips, ...settings } = this.#settings;
    this.#manifest.settings = settings;
    const save = () => saveManifest(this.#folder, this.#manifest);
    this.#saving = this.#saving.then(save, save);
    return this.#saving;
  }

  async #startOver(): Promise<void> {
    const { clips, bytes } = await this.#store.remove();
    for (const { file } of this.#allParts()) await rm(join(this.#settings.outputFolder, file), { force: true });
    await rm(manifestPath(this.#folder), { force: true });
    if (clips > 0) this.#note(`removed ${clips} prepared clips (${mb(bytes)}) of an earlier run`);
    this.#manifest = newManifest(this.#settings.project, this.#settings.outputFolder);
  }

  /** What runs that were killed have left half done. */
  async #removeHidden(): Promise<void> {
    const { outputFolder } = this.#settings;
    for (const name of await readdir(outputFolder)) {
      if (HIDDEN.test(name)) await rm(join(outputFolder, name), { force: true });
    }
    for (const name of await readdir(this.#store.folder)) {
      if (name.endsWith('.tmp')) await rm(join(this.#store.folder, name), { force: true });
    }
  }

  async #check(): Promise<CheckedClip[]> {
    const { clips, image, avatar, output, skipBad, jobs } = this.#settings;
    this.#meter.clips = clips.length;
    this.#meter.expect({ check: clips.length * WORK.checkClip });
    this.#meter.enter('check');
    const { media, speech, bake } = this.#tools;
    const checker = new ClipChecker(this.#manifest, { media, speech, signal: this.#signal });
    if (image !== null && avatar === null) this.#image = { path: image, hash: await checker.picture(image) };
    const found: (CheckedClip | BadClip)[] = [];
    await this.#each(clips, jobs, async (clip, index) => {
      const shown = avatar === null ? clip : { ...clip, image: null };
      found[index] = await checker.check(shown, index);
      this.#meter.clipsDone++;
      this.#meter.add(WORK.checkClip);
    });
    this.#meter.clipsDone = 0;
    this.#bad = found.filter(isBad);
    const good = found.filter((clip): clip is CheckedClip => !isBad(clip));
    if (this.#bad.length > 0 && (!skipBad || good.length === 0)) throw this.#badClips();
    if (avatar !== null) this.#bakedPath = await bake(avatar, output);
    if (this.#settings.subtitles.burn) await this.#findFont(good);
    return good;
  }

  /** Letters that no font has are left out of the pictures, and told. */
  async #findFont(clips: readonly CheckedClip[]): Promise<void> {
    const text = [...new Set(clips.flatMap((clip) => [...(clip.text ?? '')]))].join('');
    if (text === '') return;
    this.#fontFile = await captionFont(this.#settings.font, text);
    const missing = await missingLetters(text, this.#fontFile);
    if (missing.length === 0) return;
    const most = 40;
    const more = missing.length > most ? ` and ${missing.length - most} more` : '';
    this.#note(
      `the font ${this.#fontFile} lacks ${missing.slice(0, most).join(' ')}${more}: left out of the pictures; choose a font that has them with --font`,
    );
  }

  #badClips(): DhError {
    const most = 50;
    const lines = this.#bad
      .slice(0, most)
      .map(({ index, name, reason }) => `  ${index + 1}. ${JSON.stringify(name)}: ${reason}`);
    const more = this.#bad.length > most ? [`  and ${this.#bad.length - most} more`] : [];
    return new DhError(
      'clips_invalid',
      [`${this.#bad.length} of ${this.#settings.clips.length} clips cannot be used:`, ...lines, ...more].join('\n'),
      { hint: 'Mend or remove them, or leave them out with --skip-bad.' },
    );
  }

  /** Compares the space that is needed with what is free. */
  async #reckon(clips: readonly CheckedClip[]): Promise<void> {
    const { tempFolder, outputFolder, output, full, avatar, gapMs } = this.#settings;
    let aboutS = 0;
    let missingS = 0;
    const seen = new Set<string>();
    for (const { key, aboutS: lengthS } of clips) {
      aboutS += lengthS + gapMs / 1000;
      if (seen.has(key)) continue;
      seen.add(key);
      if ((await this.#store.find(key)) === null) missingS += lengthS;
    }
    const perS =
      output.soundKbps * 125 +
      (avatar === null
        ? STILL_BYTES_PER_S
        : (output.width * output.height * AVATAR_BITS_PER_PIXEL * (output.rate.num / output.rate.den)) / 8);
    const written = this.#allParts().reduce((sum, { bytes }) => sum + bytes, 0);
    const { neededBytes, freeBytes } = await checkSpace(
      [
        { folder: tempFolder, bytes: preparedBytes(missingS) },
        { folder: outputFolder, bytes: Math.max(0, aboutS * perS * (full ? 2 : 1) - written) },
      ],
      this.#tools.free ?? freeSpace,
    );
    this.#tools.onEvent({
      event: 'plan',
      clips: clips.length,
      bad: this.#bad.length,
      aboutS,
      neededBytes: Math.round(neededBytes),
      freeBytes,
    });
    const second = avatar === null ? WORK.stillSecond : WORK.avatarSecond;
    this.#meter.clips = clips.length;
    this.#meter.expect({ prepare: missingS * WORK.prepareSecond, write: aboutS * second });
  }

  /** Prepares every clip whose length is not known yet. Returns the clips that could be. */
  async #prepareLengths(clips: readonly CheckedClip[]): Promise<CheckedClip[]> {
    this.#meter.enter('prepare');
    const failed = await this.#prepare(clips.filter(({ key }) => !(key in this.#manifest.clips)));
    if (failed.length === 0) return [...clips];
    this.#bad = [...this.#bad, ...failed].sort((a, b) => a.index - b.index);
    const left = clips.filter(({ index }) => !failed.some((bad) => bad.index === index));
    if (!this.#settings.skipBad || left.length === 0) throw this.#badClips();
    return left;
  }

  async #prepareMissing(clips: readonly CheckedClip[]): Promise<void> {
    const missing: CheckedClip[] = [];
    for (const clip of clips) if ((await this.#store.find(clip.key)) === null) missing.push(clip);
    const failed = await this.#prepare(missing);
    if (failed.length === 0) return;
    this.#bad = failed;
    throw this.#badClips();
  }

  /** Prepares clips, equal ones once. Returns those that are to blame themselves. */
  async #prepare(clips: readonly CheckedClip[]): Promise<BadClip[]> {
    const byKey = new Map<string, CheckedClip[]>();
    for (const clip of clips) byKey.set(clip.key, [...(byKey.get(clip.key) ?? []), clip]);
    const groups = [...byKey.values()];
    this.#meter.clipsDone = this.#meter.clips - clips.length;
    this.#meter.tell(true);
    const failed: BadClip[] = [];
    await this.#each(groups, this.#tools.preparer.abreast ?? this.#settings.jobs, async (group) => {
      const [{ key, source, aboutS }] = group as [CheckedClip];
      try {
        const found = await this.#store.find(key);
        const clip = found ?? (await this.#tools.preparer.prepare({ key, source }, this.#store.folder, this.#signal));
        if (clip.lengthSamples === 0) throw new DhError('audio_invalid', 'the file holds no sound');
        this.#manifest.clips[key] = clip;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!(error instanceof DhError) || !CLIP_FAULTS.has(error.code)) throw error;
        failed.push(...group.map(({ index, name }) => ({ index, name, reason: error.message })));
      }
      this.#meter.clipsDone += group.length;
      this.#meter.add(aboutS * WORK.prepareSecond);
    });
    this.#meter.tell(true);
    return failed;
  }

  #plan(clips: readonly CheckedClip[], lengthOf: (clip: CheckedClip) => number): RenderPlan {
    const { gapMs, split } = this.#settings;
    const lengths = clips.map((clip) => ({
      lengthSamples: lengthOf(clip),
      gapSamples: Math.round(((clip.gapMs ?? gapMs) * SAMPLE_RATE) / 1000),
    }));
    return planRender(lengths, split);
  }

  #tellTotal(plan: RenderPlan, partsDone: number): void {
    this.#meter.parts = plan.parts.length;
    this.#meter.partsDone = partsDone;
    this.#tools.onEvent({
      event: 'total',
      totalS: plan.totalSamples / SAMPLE_RATE,
      parts: plan.parts.length,
      partsDone,
    });
  }

  #workOf(pending: readonly PlannedJob[], fullSamples: number): { write: number; full: number } {
    const second = this.#bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
    const samples = pending.reduce((sum, { job }) => sum + job.endSample - job.startSample, 0);
    return { write: (samples / SAMPLE_RATE) * second, full: (fullSamples / SAMPLE_RATE) * WORK.fullSecond };
  }

  async #writeParts(pending: readonly PlannedJob[], parts: number, done: Map<PlannedJob, DonePart>): Promise<void> {
    this.#meter.enter('write');
    const abreast = this.#bakedPath === null ? 1 : Math.min(this.#settings.jobs, pending.length);
    await this.#each(pending, Math.max(1, abreast), async (planned) => {
      const { job, file, key, number } = planned;
      const lengthSamples = job.endSample - job.startSample;
      const second = this.#bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
      let counted = 0;
      const onProgress = (samples: number): void => {
        const seconds = (samples - counted) / SAMPLE_RATE;
        counted = samples;
        this.#meter.wrote(seconds);
        this.#meter.add(seconds * second);
      };
      const bytes =
        abreast > 1
          ? await this.#workers.render(job, this.#signal, onProgress)
          : await renderPart(job, { stills: this.#stills, signal: this.#signal, onProgress });
      onProgress(lengthSamples);
      const part = { key, file, bytes };
      done.set(planned, part);
      this.#manifest.parts = [...this.#manifest.parts.filter((each) => each.file !== file), part];
      await this.#writeSubtitles(planned);
      await this.#save();
      this.#meter.partsDone++;
      this.#meter.tell(true);
      const durationS = lengthSamples / SAMPLE_RATE;
      this.#tools.onEvent({ event: 'part', number, parts, file, durationS, bytes });
    });
  }

  async #writeFull(
    plan: RenderPlan,
    jobs: readonly PlannedJob[],
    clips: readonly CheckedClip[],
    key: string,
  ): Promise<void> {
    this.#meter.enter('full');
    const { outputFolder, output } = this.#settings;
    const file = this.#fullFile();
    let counted = 0;
    const bytes = await renderFull({
      path: join(outputFolder, file),
      parts: plan.parts.map((part, i) => ({ ...part, path: jobs[i]!.job.path })),
      clips: plan.clips.map(({ index, startSample, lengthSamples }) => {
        return { pcmPath: this.#store.pcmPath(clips[index]!.key), startSample, lengthSamples };
      }),
      totalSamples: plan.totalSamples,
      output,
      signal: this.#signal,
      onProgress: (samples) => {
        this.#meter.wrote((samples - counted) / SAMPLE_RATE);
        this.#meter.add(((samples - counted) / SAMPLE_RATE) * WORK.fullSecond);
        counted = samples;
      },
    });
    this.#manifest.full = { key, file, bytes };
    await this.#save();
  }

  async #finish(
    plan: RenderPlan,
    clips: readonly CheckedClip[],
    jobs: readonly PlannedJob[],
    done: ReadonlyMap<PlannedJob, DonePart>,
  ): Promise<RenderResult> {
    const { outputFolder, project, full } = this.#settings;
    for (const job of jobs) await this.#writeSubtitles(job);
    if (full && jobs.some(({ captions }) => captions.length > 0) && this.#settings.subtitles.srt) {
      const all = jobs.flatMap(({ captions }) => captions);
      const unique = all.filter((span, i) => all[i - 1]?.startSample !== span.startSample);
      await writeAtomically(join(outputFolder, 'full.srt'), toSrt(unique, 0, plan.totalSamples));
    }
    const index = join(outputFolder, 'index.json');
    const fullFile = full ? this.#fullFile() : null;
    await writeAtomically(
      index,
      renderIndex({
        project,
        plan,
        clips,
        prepared: (key) => this.#prepared(key),
        parts: jobs.map((job) => ({
          file: job.file,
          bytes: done.get(job)?.bytes ?? 0,
          subtitles: this.#hasSubtitles(job) ? subtitlesOf(job.file) : null,
        })),
        full: fullFile,
        bad: this.#bad,
      }),
    );
    this.#meter.tell(true);
    return {
      project,
      output: outputFolder,
      totalS: plan.totalSamples / SAMPLE_RATE,
      tookS: this.#meter.tookS,
      parts: jobs.map((job) => ({
        file: job.file,
        durationS: (job.job.endSample - job.job.startSample) / SAMPLE_RATE,
        bytes: done.get(job)?.bytes ?? 0,
      })),
      full: fullFile,
      index,
      clips: clips.length,
      bad: this.#bad.map(({ name, reason }) => ({ name, reason })),
      peakRssBytes: this.#meter.peakRssBytes,
    };
  }

  #hasSubtitles({ captions }: PlannedJob): boolean {
    return this.#settings.subtitles.srt && captions.length > 0;
  }

  async #writeSubtitles(planned: PlannedJob): Promise<void> {
    if (!this.#hasSubtitles(planned)) return;
    const { job, captions, file } = planned;
    const text = toSrt(captions, job.startSample, job.endSample);
    await writeAtomically(join(this.#settings.outputFolder, subtitlesOf(file)), text);
  }

  async #removeOldParts(jobs: readonly PlannedJob[]): Promise<void> {
    const wanted = new Set(jobs.map(({ file }) => file));
    if (this.#settings.full) wanted.add(this.#fullFile());
    const old = this.#allParts().filter(({ file }) => !wanted.has(file));
    for (const { file } of old) {
      for (const name of [file, subtitlesOf(file)]) {
        await rm(join(this.#settings.outputFolder, name), { force: true });
      }
    }
    this.#manifest.parts = this.#manifest.parts.filter(({ file }) => wanted.has(file));
    if (this.#manifest.full && !wanted.has(this.#manifest.full.file)) this.#manifest.full = null;
    if (old.length > 0)
      this.#note(`removed ${old.length} files of an earlier plan: ${old.map(({ file }) => file).join(', ')}`);
  }

  async #clean(when: string): Promise<void> {
    const { clips, bytes } = await this.#store.remove();
    if (clips > 0) this.#note(`${when}: removed ${clips} prepared clips (${mb(bytes)}) from ${this.#store.folder}`);
  }

  async #afterFailure(error: DhError): Promise<void> {
    await this.#removeHidden().catch(() => undefined);
    await this.#save().catch(() => undefined);
    if (this.#settings.keepTemp) return;
    if (!RESUMABLE.has(error.code)) {
      await this.#clean('failed').catch(() => undefined);
      return;
    }
    const kept = (await readdir(this.#store.folder).catch(() => [])).filter((name) => name.endsWith('.pcm')).length;
    if (kept > 0)
      this.#note(`kept ${kept} prepared clips in ${this.#store.folder}: the same command goes on from there`);
  }

  #prepared(key: string): PreparedClip {
    const clip = this.#manifest.clips[key];
    if (clip === undefined) throw new Error(`the clip ${key} was not prepared`);
    return clip;
  }

  async #donePart(file: string, key: string): Promise<DonePart | null> {
    const part = this.#allParts().find((each) => each.key === key && each.file === file);
    if (!part) return null;
    const size = (await stat(join(this.#settings.outputFolder, file)).catch(() => null))?.size;
    return size === part.bytes ? part : null;
  }

  async #fullKey(jobs: readonly PlannedJob[]): Promise<{ key: string; done: boolean }> {
    const key = hashOf(JSON.stringify(jobs.map((job) => job.key)));
    return { key, done: (await this.#donePart(this.#fullFile(), key)) !== null };
  }

  #allParts(): DonePart[] {
    const { parts, full } = this.#manifest;
    return full ? [...parts, full] : parts;
  }

  #fullFile(): string {
    return `full.${this.#settings.output.format}`;
  }

  #note(message: string): void {
    this.#tools.onEvent({ event: 'note', message });
  }

  /** Does something with each item, `abreast` at a time; the first failure stops the rest. */
  async #each<T>(items: readonly T[], abreast: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
    const queue = new PQueue({ concurrency: abreast });
    let failure: { error: unknown } | null = null;
    for (const [index, item] of items.entries()) {
      await queue.onSizeLessThan(abreast);
      if (failure || this.#signal.aborted) break;
      void queue.add(async () => {
        try {
          if (!failure) await work(item, index);
        } catch (error) {
          failure ??= { error };
          this.#stop.abort(error);
        }
      });
    }
    await queue.onIdle();
    if (failure) throw (failure as { error: unknown }).error;
    this.#signal.throwIfAborted();
  }
}

function subtitlesOf(file: string): string {
  return file.replace(/\.[^.]+$/, '.srt');
}

/** @throws DhError `disk_full`, `write_failed` when nothing can be written there. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw diskError(path, error);
  }
}
