import { SAMPLE_RATE } from '../units.js';
import type { BadClip, CheckedClip } from './clip-check.js';
import type { RenderPlan } from './plan.js';
import { isSilent, type PreparedClip } from './prepared-clips.js';

/** A finished part as the index names it. */
export interface IndexedPart {
  file: string;
  bytes: number;
  subtitles: string | null;
}

/** What the index is made of. */
export interface IndexInput {
  project: string;
  plan: RenderPlan;
  clips: readonly CheckedClip[];
  prepared: (key: string) => PreparedClip;
  parts: readonly IndexedPart[];
  full: string | null;
  bad: readonly BadClip[];
}

/** `index.json`: which clip is where in which part, and which were left out. Times in seconds, from samples. */
export function renderIndex({ project, plan, clips, prepared, parts, full, bad }: IndexInput): string {
  const index = {
    project,
    sampleRate: SAMPLE_RATE,
    totalSamples: plan.totalSamples,
    totalS: plan.totalSamples / SAMPLE_RATE,
    full,
    parts: plan.parts.map(({ number, startSample, endSample }, i) => ({
      number,
      ...parts[i],
      startSample,
      startS: startSample / SAMPLE_RATE,
      durationS: (endSample - startSample) / SAMPLE_RATE,
    })),
    clips: plan.clips.map(({ index: at, startSample, lengthSamples }) => {
      const clip = clips[at]!;
      const end = startSample + lengthSamples;
      return {
        number: clip.index + 1,
        name: clip.name,
        ...(clip.title === null ? {} : { title: clip.title }),
        ...(clip.text === null ? {} : { text: clip.text }),
        startSample,
        startS: startSample / SAMPLE_RATE,
        durationS: lengthSamples / SAMPLE_RATE,
        ...(isSilent(prepared(clip.key)) ? { silent: true } : {}),
        ...(prepared(clip.key).damage === undefined ? {} : { damaged: prepared(clip.key).damage }),
        parts: plan.parts
          .filter((part) => part.startSample < end && part.endSample > startSample)
          .map((part) => ({
            number: part.number,
            startS: (Math.max(startSample, part.startSample) - part.startSample) / SAMPLE_RATE,
            endS: (Math.min(end, part.endSample) - part.startSample) / SAMPLE_RATE,
          })),
      };
    }),
    bad: bad.map(({ index: at, name, reason }) => ({ number: at + 1, name, reason })),
  };
  return `${JSON.stringify(index, null, 1)}\n`;
}
