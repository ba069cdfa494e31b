import type { Watch, Sample } from './watch.js';

/** What is said at the end: lines of figures, and what must not be. */
export interface Verdict {
  figures: string[];
  faults: string[];
}

const MINUTE_MS = 60_000;
/** From here on memory and open files must not grow. */
const SETTLED_MS = 120_000;
/** A run that is shorter says nothing about growth. */
const LEAST_MS = 180_000;
/** So much above the most of the first two minutes is no growth. */
const RSS_MARGIN = { share: 0.15, bytes: 16e6 };
const OPEN_FILES_MARGIN = { share: 0.2, files: 16 };

/** A viewer that gets nothing for so long has lost its stream. */
const SILENT_MS = 1000;

/** Judges what was seen of the server's processes: the most after two minutes against the most before. */
export function judgeGrowth(samples: readonly Sample[]): Verdict {
  const verdict: Verdict = { figures: [], faults: [] };
  const lengthMs = samples.at(-1)?.atMs ?? 0;
  for (const name of new Set(samples.map((sample) => sample.name))) {
    const own = samples.filter((sample) => sample.name === name);
    const most = (of: 'rssBytes' | 'openFiles', from: number, to: number): number =>
      Math.max(0, ...own.filter(({ atMs }) => atMs >= from && atMs < to).map((sample) => sample[of]));
    const first = own[0];
    const last = own.at(-1);
    if (!first || !last) continue;
    const early = { rss: most('rssBytes', 0, SETTLED_MS), files: most('openFiles', 0, SETTLED_MS) };
    const late = { rss: most('rssBytes', SETTLED_MS, Infinity), files: most('openFiles', SETTLED_MS, Infinity) };
    verdict.figures.push(
      `${name}: ${mb(first.rssBytes)} MB at first, at most ${mb(early.rss)} in 2 minutes, ${mb(late.rss)} after; ` +
        `open files ${first.openFiles}, ${early.files}, ${late.files}; at the end ${mb(last.rssBytes)} MB, ${last.openFiles}`,
    );
    const minutes = Array.from({ length: Math.ceil(lengthMs / MINUTE_MS) }, (_, i) =>
      mb(most('rssBytes', i * MINUTE_MS, (i + 1) * MINUTE_MS)),
    );
    verdict.figures.push(`${name}: most in each minute ${minutes.join(', ')} MB`);
    if (lengthMs < LEAST_MS) continue;
    if (late.rss > early.rss * (1 + RSS_MARGIN.share) + RSS_MARGIN.bytes) {
      verdict.faults.push(`${name} grew from ${mb(early.rss)} to ${mb(late.rss)} MB after two minutes`);
    }
    if (late.files > early.files * (1 + OPEN_FILES_MARGIN.share) + OPEN_FILES_MARGIN.files) {
      verdict.faults.push(`${name} went from ${early.files} to ${late.files} open files after two minutes`);
    }
  }
  if (lengthMs < LEAST_MS) verdict.figures.push('growth is not judged: that takes three minutes');
  return verdict;
}

/** Judges what the good viewer got. What the machine was too busy for is told, and is no fault. */
export function judgeViewer({ viewer, viewerEnded, skipped, session, pauses }: Watch): Verdict {
  const verdict: Verdict = { figures: [], faults: [] };
  if (viewer === null) return { figures: [], faults: ['the good viewer saw nothing'] };
  const { audio, video, socketDrops } = viewer;
  verdict.figures.push(
    `good viewer: ${video.packets} video packets, ${video.lost} lost, ${video.units} frames, ${video.missingUnits} not made ` +
      `(${skipped.starved} while the stage got no CPU, ${skipped.busy} otherwise); ` +
      `${audio.packets} sound packets, ${audio.lost} lost; longest pause ${video.longestGapMs} ms, of sound ${audio.longestGapMs} ms; ` +
      `its own socket lost ${socketDrops ?? 'an unknown number'}`,
  );
  const long = pauses.map(({ ms, starvedMs }) => `${ms} ms while the stage waited ${starvedMs} ms for a CPU`);
  if (long.length > 0) verdict.figures.push(`each longest pause so far: ${long.join(', ')}`);
  if (viewerEnded !== null) verdict.faults.push(`the good viewer was thrown out: ${viewerEnded}`);
  else if (audio.silentMs > SILENT_MS) {
    verdict.faults.push(
      `the good viewer gets nothing for ${audio.silentMs} ms; its session is ${JSON.stringify(session)}`,
    );
  }
  const lost = audio.lost + video.lost - (socketDrops ?? 0);
  if (lost > 0) verdict.faults.push(`the good viewer lost ${lost} packets that its own socket did not drop`);
  const missing = video.missingUnits - skipped.starved;
  if (missing > 0) verdict.faults.push(`the good viewer missed ${missing} frames while the stage had its CPU`);
  if (audio.missingUnits > 0) verdict.faults.push(`${audio.missingUnits} packets of sound were never made`);
  return verdict;
}

function mb(bytes: number): number {
  return Math.round(bytes / 1e6);
}
