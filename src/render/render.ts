import { join } from 'node:path';
import { DhError } from '../errors.js';
import { SAMPLE_RATE } from '../units.js';
import { writeAtomically } from './atomic-file.js';
import type { CheckedClip } from './clip-check.js';
import { ClipPhase } from './clip-phase.js';
import { checkSpace, freeSpace } from './disk-space.js';
import type { DonePart } from './manifest.js';
import { makeFolder } from './disk-error.js';
import { partJobs, type PlannedJob } from './part-jobs.js';
import { PartPhase } from './part-phase.js';
import { planRender, type RenderPlan } from './plan.js';
import { preparedBytes } from './prepared-clips.js';
import { ProgressMeter } from './progress-meter.js';
import { ProjectFiles, subtitlesOf } from './project-files.js';
import { ProjectLock } from './project-lock.js';
import type { RenderResult } from './render-events.js';
import { renderIndex } from './render-index.js';
import type { RenderSettings, RenderTools } from './render-settings.js';
import { WORK } from './work.js';
import { ownRssBytes } from '../own-memory.js';

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
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #output: PartPhase;
  /** Another process has taken the project over. */
  #lost = false;

  constructor(settings: RenderSettings, tools: RenderTools) {
    this.#settings = settings;
    this.#tools = tools;
    const note = (message: string) => tools.onEvent({ event: 'note', message });
    this.#files = new ProjectFiles(settings, note);
    this.#signal = AbortSignal.any([tools.signal, this.#stop.signal]);
    this.#meter = new ProgressMeter({
      clock: tools.clock,
      rssBytes: () => ownRssBytes() + tools.preparer.rssBytes() + this.#output.rssBytes(),
      onProgress: (progress) => tools.onEvent({ event: 'progress', ...progress }),
    });
    const parts = { files: this.#files, meter: this.#meter, stop: this.#stop, signal: this.#signal };
    this.#clips = new ClipPhase({ settings, tools, note, ...parts });
    this.#output = new PartPhase({ settings, tools, clips: this.#clips, ...parts });
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
    const lock = await this.#lock(join(this.#files.folder, 'lock'), `The project ${project}`);
    try {
      const outputLock = await this.#lock(join(outputFolder, '.render.lock'), `The folder ${outputFolder}`);
      try {
        await this.#files.refuseForeignFolder();
        return await this.#locked();
      } finally {
        await outputLock.close();
      }
    } finally {
      this.#output.close();
      await lock.close();
    }
  }

  async #lock(path: string, what: string): Promise<ProjectLock> {
    const onWait = (message: string): void => this.#tools.onEvent({ event: 'note', message: `waiting: ${message}` });
    const { wait } = this.#settings;
    const lock = await ProjectLock.acquire(path, what, { onWait, wait, signal: this.#signal });
    lock.lost.addEventListener('abort', () => {
      this.#lost = true;
      this.#stop.abort(lock.lost.reason);
    });
    return lock;
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
      await this.#output.stopWorkers();
      // What another process works on now is left alone.
      if (!this.#lost) await this.#files.afterFailure(DhError.from(error));
      throw error;
    } finally {
      await this.#output.stopWorkers();
    }
  }

  async #work(): Promise<RenderResult> {
    const checked = await this.#clips.check();
    await this.#reckon(checked);
    await this.#files.save();
    this.#output.warm(checked);
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
    const full = this.#settings.full ? await this.#output.fullKey(jobs) : null;
    if (full && !full.done) for (const { key } of clips) needed.add(key);
    this.#meter.expect(this.#output.workOf(pending, full && !full.done ? plan.totalSamples : 0));
    await this.#clips.prepareMissing(clips.filter(({ key }) => needed.has(key)));
    await this.#files.save();
    if (
      plan.clips.some(
        ({ index, lengthSamples }) => this.#files.prepared(clips[index]!.key).lengthSamples !== lengthSamples,
      )
    ) {
      return null;
    }
    await this.#output.write(pending, jobs.length, done);
    if (full && !full.done) await this.#output.writeFull(plan, jobs, clips, full.key);
    return this.#finish(plan, clips, jobs, done);
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

  async #finish(
    plan: RenderPlan,
    clips: readonly CheckedClip[],
    jobs: readonly PlannedJob[],
    done: ReadonlyMap<PlannedJob, DonePart>,
  ): Promise<RenderResult> {
    const { outputFolder, project, full } = this.#settings;
    await this.#output.writeAllSubtitles(jobs, plan.totalSamples);
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
          subtitles: this.#output.hasSubtitles(job) ? subtitlesOf(job.file) : null,
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
      damaged: clips.flatMap(({ key, name }) => {
        const { damage: reason } = this.#files.prepared(key);
        return reason === undefined ? [] : [{ name, reason }];
      }),
      peakRssBytes: this.#meter.peakRssBytes,
    };
  }
}
