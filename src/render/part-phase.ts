import { join } from 'node:path';
import { SAMPLE_RATE } from '../units.js';
import { eachAbreast } from './abreast.js';
import { writeAtomically } from './atomic-file.js';
import { toSrt } from './captions.js';
import { hashOf, type CheckedClip } from './clip-check.js';
import type { ClipPhase } from './clip-phase.js';
import { renderFull } from './full-file.js';
import type { DonePart } from './manifest.js';
import type { PlannedJob } from './part-jobs.js';
import { PartWorkers } from './part-workers.js';
import type { RenderPlan } from './plan.js';
import type { ProgressMeter } from './progress-meter.js';
import { subtitlesOf, type ProjectFiles } from './project-files.js';
import { renderPart } from './render-part.js';
import type { RenderSettings, RenderTools } from './render-settings.js';
import { StillTemplates } from './still-templates.js';
import { WORK } from './work.js';

/** What the phase works with; `stop` ends everything, `signal` tells of it. */
export interface PartPhaseParts {
  settings: RenderSettings;
  tools: RenderTools;
  files: ProjectFiles;
  clips: ClipPhase;
  meter: ProgressMeter;
  stop: AbortController;
  signal: AbortSignal;
}

/** The second phase of a render: parts, the file of the whole and subtitles, written from prepared clips. */
export class PartPhase {
  readonly #parts: PartPhaseParts;
  readonly #workers = new PartWorkers();
  readonly #stills: StillTemplates;

  constructor(parts: PartPhaseParts) {
    this.#parts = parts;
    this.#stills = new StillTemplates(parts.settings.output);
  }

  /** Memory of processes of its own. */
  rssBytes(): number {
    return this.#workers.rssBytes();
  }

  /** Encodes a picture that is seen all the time while clips are prepared, which leaves this thread idle. */
  warm(clips: readonly CheckedClip[]): void {
    const { image, bakedPath, fontFile } = this.#parts.clips;
    if (image === null || bakedPath !== null || fontFile !== null) return;
    if (clips.some((clip) => clip.image !== null)) return;
    if (clips.every(({ key }) => key in this.#parts.files.manifest.clips)) return;
    const { num, den } = this.#parts.settings.output.rate;
    const aboutS = clips.reduce((sum, clip) => sum + clip.aboutS, 0);
    this.#stills.warm({ image: image.path, caption: null }, Math.ceil((aboutS * num) / den));
  }

  /** What it will cost, in the meter's units. */
  workOf(pending: readonly PlannedJob[], fullSamples: number): { write: number; full: number } {
    const second = this.#parts.clips.bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
    const samples = pending.reduce((sum, { job }) => sum + job.endSample - job.startSample, 0);
    return { write: (samples / SAMPLE_RATE) * second, full: (fullSamples / SAMPLE_RATE) * WORK.fullSecond };
  }

  /** Writes parts that are not done; each that is goes into `done` and the manifest. `parts`: how many there are in all. */
  async write(pending: readonly PlannedJob[], parts: number, done: Map<PlannedJob, DonePart>): Promise<void> {
    const { settings, tools, files, clips, meter, signal } = this.#parts;
    meter.enter('write');
    const abreast = clips.bakedPath === null ? 1 : Math.min(settings.jobs, pending.length);
    await eachAbreast(pending, Math.max(1, abreast), this.#parts, async (planned) => {
      const { job, file, key, number } = planned;
      const lengthSamples = job.endSample - job.startSample;
      const second = clips.bakedPath === null ? WORK.stillSecond : WORK.avatarSecond;
      let counted = 0;
      const onProgress = (samples: number): void => {
        const seconds = (samples - counted) / SAMPLE_RATE;
        counted = samples;
        meter.wrote(seconds);
        meter.add(seconds * second);
      };
      const bytes =
        abreast > 1
          ? await this.#workers.render(job, signal, onProgress)
          : await renderPart(job, { stills: this.#stills, signal: signal, onProgress });
      onProgress(lengthSamples);
      const part = { key, file, bytes };
      done.set(planned, part);
      files.manifest.parts = [...files.manifest.parts.filter((each) => each.file !== file), part];
      await this.#writeSubtitles(planned);
      await files.save();
      meter.partsDone++;
      meter.tell(true);
      const durationS = lengthSamples / SAMPLE_RATE;
      tools.onEvent({ event: 'part', number, parts, file, durationS, bytes });
    });
  }

  /** Writes the file of the whole from the parts. */
  async writeFull(
    plan: RenderPlan,
    jobs: readonly PlannedJob[],
    clips: readonly CheckedClip[],
    key: string,
  ): Promise<void> {
    const { settings, files, meter, signal } = this.#parts;
    const { outputFolder, output } = settings;
    meter.enter('full');
    const file = files.fullFile();
    let counted = 0;
    const bytes = await renderFull({
      path: join(outputFolder, file),
      parts: plan.parts.map((part, i) => ({ ...part, path: jobs[i]!.job.path })),
      clips: plan.clips.map(({ index, startSample, lengthSamples }) => {
        return { pcmPath: files.store.pcmPath(clips[index]!.key), startSample, lengthSamples };
      }),
      totalSamples: plan.totalSamples,
      output,
      signal,
      onProgress: (samples) => {
        meter.wrote((samples - counted) / SAMPLE_RATE);
        meter.add(((samples - counted) / SAMPLE_RATE) * WORK.fullSecond);
        counted = samples;
      },
    });
    files.manifest.full = { key, file, bytes };
    await files.save();
  }

  /** What the file of the whole is made from, and whether it is there. */
  async fullKey(jobs: readonly PlannedJob[]): Promise<{ key: string; done: boolean }> {
    const key = hashOf(JSON.stringify(jobs.map((job) => job.key)));
    return { key, done: (await this.#parts.files.donePart(this.#parts.files.fullFile(), key)) !== null };
  }

  /** Writes the subtitles of all parts, also of those that were done before, and of the whole. */
  async writeAllSubtitles(jobs: readonly PlannedJob[], totalSamples: number): Promise<void> {
    const { full, outputFolder, subtitles } = this.#parts.settings;
    for (const job of jobs) await this.#writeSubtitles(job);
    if (full && subtitles.srt && jobs.some(({ captions }) => captions.length > 0)) {
      const all = jobs.flatMap(({ captions }) => captions);
      const unique = all.filter((span, i) => all[i - 1]?.startSample !== span.startSample);
      await writeAtomically(join(outputFolder, 'full.srt'), toSrt(unique, 0, totalSamples));
    }
  }

  hasSubtitles({ captions }: PlannedJob): boolean {
    return this.#parts.settings.subtitles.srt && captions.length > 0;
  }

  async #writeSubtitles(planned: PlannedJob): Promise<void> {
    if (!this.hasSubtitles(planned)) return;
    const { job, captions, file } = planned;
    const text = toSrt(captions, job.startSample, job.endSample);
    await writeAtomically(join(this.#parts.settings.outputFolder, subtitlesOf(file)), text);
  }

  /** Ends its processes: nothing of theirs is written after that. */
  stopWorkers(): Promise<void> {
    return this.#workers.close();
  }

  close(): void {
    this.#stills.close();
  }
}
