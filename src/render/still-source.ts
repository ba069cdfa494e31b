import type { FrameGrid } from './frame-grid.js';
import type { EncodedPicture } from './render-part.js';
import type { PartJob } from './part-job.js';
import type { StillSpec } from './still-picture.js';
import { GOP_FRAMES, type StillTemplates } from './still-templates.js';

/** A stretch of pictures that begins with a key frame and shows one thing. */
export interface StillGroup {
  spec: StillSpec;
  frames: number;
  /** See `StillTemplates`. */
  variant: 0 | 1;
}

/** The encoded pictures of a part without an avatar: templates, cut off where the picture changes. */
export async function* stillPictures(
  job: PartJob,
  grid: FrameGrid,
  templates: StillTemplates,
): AsyncGenerator<EncodedPicture, void, undefined> {
  const groups = groupsOf(job, grid);
  const longest = new Map<StillSpec, number>();
  for (const { spec, frames } of groups) longest.set(spec, Math.max(frames, longest.get(spec) ?? 0));
  for (const { spec, frames, variant } of groups) {
    const { units } = await templates.get(spec, longest.get(spec) ?? frames, variant);
    for (let n = 0; n < frames; n++) yield { data: units[n]!, keyFrame: n === 0 };
  }
}

/** What is seen from which picture on, cut into groups of nearly equal length. */
export function groupsOf(job: PartJob, grid: FrameGrid): StillGroup[] {
  const groups: StillGroup[] = [];
  const changes = changesOf(job, grid);
  for (const [i, { frame, spec }] of changes.entries()) {
    const end = changes[i + 1]?.frame ?? grid.count;
    const count = Math.ceil((end - frame) / GOP_FRAMES);
    for (let g = 0; g < count; g++) {
      const frames = Math.floor(((end - frame) * (g + 1)) / count) - Math.floor(((end - frame) * g) / count);
      groups.push({ spec, frames, variant: 0 });
    }
  }
  // Key frames that follow each other at once must differ, also across the border to the next part.
  for (const [i, group] of groups.entries()) {
    const before = groups[i - 1];
    if (before?.frames === 1) group.variant = before.variant === 0 ? 1 : 0;
    else if (i === groups.length - 1 && i > 0 && group.frames === 1) group.variant = 1;
  }
  return groups;
}

function changesOf(job: PartJob, grid: FrameGrid): { frame: number; spec: StillSpec }[] {
  const { clips, captions, startSample, endSample, fontFile } = job;
  const moments = new Set([startSample]);
  for (const clip of clips) moments.add(clip.startSample);
  for (const span of captions) moments.add(span.startSample).add(span.endSample);
  const inside = [...moments].filter((at) => at >= startSample && at < endSample).sort((a, b) => a - b);
  const specs = new Map<string, StillSpec>();
  const changes: { frame: number; spec: StillSpec }[] = [];
  let clip = 0;
  let caption = 0;
  for (const at of inside) {
    while ((clips[clip + 1]?.startSample ?? Infinity) <= at) clip++;
    while ((captions[caption]?.endSample ?? Infinity) <= at) caption++;
    const span = captions[caption];
    const text = span && span.startSample <= at ? span.text : null;
    const wanted = { image: clips[clip]?.image ?? null, caption: text === null ? null : { text, fontFile } };
    const key = JSON.stringify(wanted);
    const spec = specs.get(key) ?? wanted;
    specs.set(key, spec);
    const frame = grid.firstAt(at - startSample);
    // Shorter than a picture: the later one is seen.
    while ((changes.at(-1)?.frame ?? -1) >= frame) changes.pop();
    if (frame < grid.count && changes.at(-1)?.spec !== spec) changes.push({ frame, spec });
  }
  return changes;
}
