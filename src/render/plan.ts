/** What the planner has to know of a clip; all in samples at 48 kHz. */
export interface ClipLength {
  lengthSamples: number;
  /** Silence between it and the next clip; not counted after the last. */
  gapSamples: number;
}

/** A clip on the time line. */
export interface PlannedClip {
  /** Number in the list, from 0. */
  index: number;
  startSample: number;
  lengthSamples: number;
}

/** One file of the output: samples [startSample, endSample) of the whole. */
export interface PlannedPart {
  /** From 1. */
  number: number;
  startSample: number;
  endSample: number;
}

/** Where every clip is and where the parts are cut. */
export interface RenderPlan {
  totalSamples: number;
  clips: PlannedClip[];
  parts: PlannedPart[];
}

/** How long a part may be, and whether it is cut exactly there (else at the last border of clips before it). */
export interface SplitRule {
  everySamples: number;
  exact: boolean;
}

/**
 * Lays clips on one time line and cuts it into parts, to the sample: parts follow each other without a gap, and together
 * they are as long as all clips and the gaps between them. A clip that is longer than a part is allowed to be gets a
 * part of its own. Throws RangeError for a rule below one sample, and when there is no sound at all.
 */
export function planRender(lengths: readonly ClipLength[], split: SplitRule | null): RenderPlan {
  if (split !== null && !(split.everySamples >= 1)) throw new RangeError('a part holds at least one sample');
  const clips: PlannedClip[] = [];
  let at = 0;
  let totalSamples = 0;
  for (const [index, { lengthSamples, gapSamples }] of lengths.entries()) {
    clips.push({ index, startSample: at, lengthSamples });
    totalSamples = at + lengthSamples;
    at = totalSamples + gapSamples;
  }
  if (totalSamples === 0) throw new RangeError('there is no sound');
  const cuts = split === null ? [] : split.exact ? exactCuts(totalSamples, split) : borderCuts(clips, split);
  const borders = [0, ...cuts, totalSamples];
  const parts = cuts.concat(totalSamples).map((endSample, i) => {
    return { number: i + 1, startSample: borders[i] ?? 0, endSample };
  });
  return { totalSamples, clips, parts };
}

function exactCuts(totalSamples: number, { everySamples }: SplitRule): number[] {
  const cuts: number[] = [];
  for (let cut = everySamples; cut < totalSamples; cut += everySamples) cuts.push(Math.round(cut));
  return cuts;
}

function borderCuts(clips: readonly PlannedClip[], { everySamples }: SplitRule): number[] {
  const cuts: number[] = [];
  let start = 0;
  for (const { startSample, lengthSamples } of clips) {
    const end = startSample + lengthSamples;
    if (end - start <= everySamples || startSample === start) continue;
    start = startSample;
    cuts.push(start);
  }
  return cuts;
}
