import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DhError } from '../errors.js';
import { SAMPLE_RATE } from '../units.js';
import { eachAbreast } from './abreast.js';
import { writeAtomically } from './atomic-file.js';
import { toSrt } from './captions.js';
import { hashOf, type CheckedClip } from './clip-check.js';
import { ClipPhase } from './clip-phase.js';
import { checkSpace, freeSpace } from './disk-space.js';
import { renderFull } from './full-file.js';
import type { DonePart } from './manifest.js';
import { diskError } from './disk-error.js';
import { partJobs, type PlannedJob } from './part-jobs.js';
import { PartWorkers } from './part-workers.js';
import { planRender, type RenderPlan } from './plan.js';
import { preparedBytes } from './prepared-clips.js';
import { ProgressMeter } from './progress-meter.js';
import { ProjectFiles, subtitlesOf } from './project-files.js';
import { ProjectLock } from './project-lock.js';
import type { RenderResult } from './render-events.js';
import { renderIndex } from './render-index.js';
import { renderPart } from './render-part.js';
import type { RenderSettings, RenderTools } from './render-settings.js';
import { StillTemplates } from './still-templates.js';
import { WORK } from './work.js';

/** Bytes a second that pictures take, as far as that can be told beforehand. */
const STILL_BYTES_PER_S = 12_000;
const AVATAR_BITS_PER_PIXEL = 0.12;
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
  readonly #files: ProjectFiles;
  readonly #clips: ClipPhase;
  readonly #meter: ProgressMeter;
  readonly #workers = new PartWorkers();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #stills: StillTemplates;

  constructor(settings: RenderSettings, tools: RenderTools) {
    this.#settings = settings;
    this.#tools = tools;
    const note = (message: string) => tools.onEvent({ event: 'note', message });
    this.#files = new ProjectFiles(settings, note);
    this.#stills = new StillTemplates(settings.output);
    this.#signal = AbortSignal.any([tools.signal, this.#stop.signal]);
    this.#meter = new ProgressMeter({
      clock: tools.clock,
      rssBytes: () => process.memoryUsage.rss() + tools.preparer.rssBytes() + this.#workers.rssBytes(),
      onProgress: (progress) => tools.onEvent({ event: 'progress', ...progress }),
    });
    const parts = { files: this.#files, meter: this.#meter, stop: this.#stop, signal: this.#signal };
    this.#clips = new ClipPhase({ settings, tools, note, ...parts });
  }

  /** Says what would be done; writes nothing. */
  async dryRun(): Promise<void> {
    if (!this.#settings.fresh) await this.#files.load();
    const clips = await this.#clips.check();
    await this.#reckon(clips);
    const about = (clip: CheckedClip) =>
      this.#files.manifest.clips[clip.key]?.lengthSamples ?? clip.aboutS * SAMPLE_RATE;
    const plan = this.#plan(clips, (clip) => Math.round(about(clip)));
    this.#tellTotal(plan, 0);
  }

  async run(): Promise<RenderResult> {
    const { outputFolder, project } = this.#settings;
    await makeFolder(outputFolder);
    await makeFolder(this.#files.store.folder);
    const lock = await ProjectLock.acquire(join(this.#files.folder, 'lock'), `The project ${project}`);
    try {
      const outputLock = await ProjectLock.acquire(join(outputFolder, '.render.lock'), `The folder ${outputFolder}`);
      try {
        await this.#files.refuseForeignFolder();
        return await this.#locked();
      } finally {
        await outputLock.close();
      }
    } finally {
      this.#stills.close();
      await lock.close();
    }
  }

  async #locked(): Promise<RenderResult> {
    try {
      await this.#files.load();
      if (this.#settings.fresh) await this.#files.startOver();
      await this.#files.removeHidden();
      const result = await this.#work();
      if (!this.#settings.keepTemp) await this.#files.clean('finished');
      return result;
    } catch (error) {
      // Whatever else is running stops before the files go.
      this.#stop.abort(error);
      await this.#workers.close();
      await this.#files.afterFailure(DhError.from(error));
      throw error;
    } finally {
      await this.#workers.close();
    }
  }

  async #work(): Promise<RenderResult> {
    const checked = await this.#clips.check();
    await this.#reckon(checked);
    await this.#files.save();
    this.#warmStill(checked);
    const clips = await this.#clips.prepareLengths(checked);
    // A clip that is prepared once more may come out different: planned anew then.
    for (let attempt = 0; attempt < 3; attempt++) {
      const result = await this.#produce(clips);
      if (result) return result;
    }
    throw new DhError('internal', 'The clips change while they are rendered.');
  }

  /** Plans and writes what is missing; null when a clip turned out to have another length than the plan was made for. */
  async #produce(clips: readonly CheckedClip[]): Promise<RenderResult | null> {
    const plan = this.#plan(clips, ({ key }) => this.#files.prepared(key).lengthSamples);
    const jobs = partJobs({
      plan,
      clips,
      prepared: (key) => this.#files.prepared(key),
      store: this.#files.store,
      outputFolder: this.#settings.outputFolder,
      output: this.#settings.output,
      image: this.#clips.image,
      bakedPath: this.#clips.bakedPath,
      fontFile: this.#clips.fontFile,
    });
    const done = new Map<PlannedJob, DonePart>();
    for (const job of jobs) {
      const part = await this.#files.donePart(job.file, job.key);
      if (part) done.set(job, part);
    }
    this.#tellTotal(plan, done.size);
    await this.#files.removeOldParts(jobs.map(({ file }) => file));
    const pending = jobs.filter((job) => !done.has(job));
    const needed = new Set(pending.flatMap(({ needs }) => [...needs]));
    const full = this.#settings.full ? await this.#fullKey(jobs) : null;
    if (full && !full.done) for (const { key } of clips) needed.add(key);
    this.#meter.expect(this.#workOf(pending, full && !full.done ? plan.totalSamples : 0));
    await this.#clips.prepareMissing(clips.filter(({ key }) => needed.has(key)));
    await this.#files.save();
    if (
      plan.clips.some(
        ({ index, lengthSamples }) => this.#files.prepared(clips[index]!.key).lengthSamples !== lengthSamples,
      )
    ) {
      return null;
    }
    await this.#writeParts(pending, jobs.length, done);
    if (full && !full.done) await this.#writeFull(plan, jobs, clips, full.key);
    return this.#finish(plan, clips, jobs, done);
  }

  /** Encodes a picture that is seen all the time while clips are prepared, which leaves this thread idle. */
  #warmStill(clips: readonly CheckedClip[]): void {
    const { image, bakedPath, fontFile } = this.#clips;
    if (image === null || bakedPath !== null || fontFile !== null) return;
    if (clips.some((clip) => clip.image !== null)) return;
    if (clips.every(({ key }) => key in this.#files.manifest.clips)) return;
    const { num, den } = this.#settings.output.rate;
    const aboutS = clips.reduce((sum, clip) => sum + clip.aboutS, 0);
    this.#stills.warm({ image: image.path, caption: null }, Math.ceil((aboutS * num) / den));
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
      if ((await this.#files.store.find(key)) === null) missingS += lengthS;
    }
    const perS =
      output.soundKbps * 125 +
      (avatar === null
        ? STILL_BYTES_PER_S
        : (output.width * output.height * AVATAR_BITS_PER_PIXEL * (output.rate.num / output.rate.den)) / 8);
    const written = this.#files.finished().reduce((sum, { bytes }) => sum + bytes, 0);
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
      bad: this.#clips.bad.length,
      aboutS,
      neededBytes: Math.round(neededBytes),
      freeBytes,
    });
    const second = avatar === null ? WORK.stillSecond : WORK.avatarSecond;
    this.#meter.clips = clips.length;
    this.#meter.expect({ prepare: missingS * WORK.prepareSecond, write: aboutS * second });
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
    const second = this.#clips.bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
    const samples = pending.reduce((sum, { job }) => sum + job.endSample - job.startSample, 0);
    return { write: (samples / SAMPLE_RATE) * second, full: (fullSamples / SAMPLE_RATE) * WORK.fullSecond };
  }

  async #writeParts(pending: readonly PlannedJob[], parts: number, done: Map<PlannedJob, DonePart>): Promise<void> {
    this.#meter.enter('write');
    const abreast = this.#clips.bakedPath === null ? 1 : Math.min(this.#settings.jobs, pending.length);
    await eachAbreast(pending, Math.max(1, abreast), { stop: this.#stop, signal: this.#signal }, async (planned) => {
      const { job, file, key, number } = planned;
      const lengthSamples = job.endSample - job.startSample;
      const second = this.#clips.bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
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
      this.#files.manifest.parts = [...this.#files.manifest.parts.filter((each) => each.file !== file), part];
      await this.#writeSubtitles(planned);
      await this.#files.save();
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
    const file = this.#files.fullFile();
    let counted = 0;
    const bytes = await renderFull({
      path: join(outputFolder, file),
      parts: plan.parts.map((part, i) => ({ ...part, path: jobs[i]!.job.path })),
      clips: plan.clips.map(({ index, startSample, lengthSamples }) => {
        return { pcmPath: this.#files.store.pcmPath(clips[index]!.key), startSample, lengthSamples };
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
    this.#files.manifest.full = { key, file, bytes };
    await this.#files.save();
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
    const fullFile = full ? this.#files.fullFile() : null;
    await writeAtomically(
      index,
      renderIndex({
        project,
        plan,
        clips,
        prepared: (key) => this.#files.prepared(key),
        parts: jobs.map((job) => ({
          file: job.file,
          bytes: done.get(job)?.bytes ?? 0,
          subtitles: this.#hasSubtitles(job) ? subtitlesOf(job.file) : null,
        })),
        full: fullFile,
        bad: this.#clips.bad,
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
      bad: this.#clips.bad.map(({ name, reason }) => ({ name, reason })),
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

  async #fullKey(jobs: readonly PlannedJob[]): Promise<{ key: string; done: boolean }> {
    const key = hashOf(JSON.stringify(jobs.map((job) => job.key)));
    return { key, done: (await this.#files.donePart(this.#files.fullFile(), key)) !== null };
  }
}

/** @throws DhError `disk_full`, `write_failed` when nothing can be written there. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw diskError(path, error);
  }
}
