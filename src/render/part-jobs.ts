import { basename, join } from 'node:path';
import { FRAME_RATE } from '../units.js';
import { hashOf, type CheckedClip } from './clip-check.js';
import { captionsOf, closeGaps, type CaptionSpan } from './captions.js';
import type { OutputSettings } from './output.js';
import { LEAD_SAMPLES, TAIL_SAMPLES, type PartClip, type PartJob } from './part-job.js';
import type { RenderPlan } from './plan.js';
import type { PreparedClip, PreparedClips } from './prepared-clips.js';

/** A part's sound needs this much before it when there is no face to get going. */
const STILL_LEAD_SAMPLES = 9600;
/** Raised when the same job makes another file: finished parts are made anew. */
const PART_VERSION = 2;

/** A part to be made, with what it is made from. */
export interface PlannedJob {
  number: number;
  file: string;
  /** Hash of all that decides what the file is like. */
  key: string;
  /** Prepared clips that it needs. */
  needs: Set<string>;
  job: PartJob;
  /** Its subtitles; empty without text. */
  captions: CaptionSpan[];
}

export interface PartJobsInput {
  plan: RenderPlan;
  clips: readonly CheckedClip[];
  prepared: (key: string) => PreparedClip;
  store: PreparedClips;
  outputFolder: string;
  output: OutputSettings;
  /** Picture of clips without their own, and its hash. */
  image: { path: string; hash: string } | null;
  bakedPath: string | null;
  /** Font of text in the pictures; null: no text in them. */
  fontFile: string | null;
}

/** Everything that is to be made, part by part. */
export function partJobs(input: PartJobsInput): PlannedJob[] {
  const { plan, clips, prepared, output, bakedPath, fontFile } = input;
  const spans = closeGaps(
    plan.clips.flatMap(({ index, startSample, lengthSamples }) => {
      const { text } = clips[index]!;
      return text === null ? [] : captionsOf(text, startSample, lengthSamples);
    }),
  );
  const digits = Math.max(3, String(plan.parts.length).length);
  const lead = bakedPath === null ? STILL_LEAD_SAMPLES : LEAD_SAMPLES;
  return plan.parts.map(({ number, startSample, endSample }, i) => {
    const needed = plan.clips.filter(
      (clip, c) =>
        clip.startSample < endSample + TAIL_SAMPLES &&
        (clip.startSample + clip.lengthSamples > startSample - lead ||
          // What is seen in a pause is the picture of the clip before it.
          (plan.clips[c + 1]?.startSample ?? Infinity) > startSample),
    );
    const file = `part-${String(number).padStart(digits, '0')}.${output.format}`;
    const captions = spans.filter((span) => span.startSample < endSample && span.endSample > startSample);
    const last = plan.parts.length - 1;
    const avatar = bakedPath === null ? null : { bakedPath, seed: number, easeIn: i > 0, easeOut: i < last };
    const images = needed.map(({ index }) => clips[index]!.imageHash ?? input.image?.hash ?? null);
    const key = hashOf(
      JSON.stringify([
        PART_VERSION,
        output,
        avatar && { ...avatar, bakedPath: basename(bakedPath ?? '') },
        endSample - startSample,
        needed.map((clip, c) => [
          clips[clip.index]!.key,
          clip.startSample - startSample,
          clip.lengthSamples,
          avatar ? null : images[c],
        ]),
        fontFile === null
          ? null
          : [
              basename(fontFile),
              captions.map((span) => [span.text, span.startSample - startSample, span.endSample - startSample]),
            ],
      ]),
    );
    const job: PartJob = {
      path: join(input.outputFolder, file),
      startSample,
      endSample,
      clips: needed.map((clip): PartClip => {
        const checked = clips[clip.index]!;
        return {
          pcmPath: input.store.pcmPath(checked.key),
          startSample: clip.startSample,
          lengthSamples: clip.lengthSamples,
          cuesPath: prepared(checked.key).hasCues ? input.store.cuesPath(checked.key) : null,
          image: checked.image ?? input.image?.path ?? null,
        };
      }),
      captions: fontFile === null ? [] : captions,
      fontFile: fontFile ?? '',
      avatar,
      output,
    };
    return { number, file, key, needs: new Set(needed.map(({ index }) => clips[index]!.key)), job, captions };
  });
}

/** Whether an avatar can be drawn at a rate: its movements are made for 25 a second. */
export function isAvatarRate({ num, den }: OutputSettings['rate']): boolean {
  return num === FRAME_RATE * den;
}
