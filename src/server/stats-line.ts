import type { Logger } from 'pino';
import type { ProcessFigures, ServerStats } from './server-stats.js';

/**
 * Writes one line of figures per session every `intervalS` seconds; 0: none. A session at rest, which says nothing and has
 * no viewers, is written once, and again when it wakes: an idle server is quiet.
 */
export function startStatsLine(
  stats: Pick<ServerStats, 'processes' | 'server'>,
  intervalS: number,
  log: Logger,
): { close(): void } {
  if (intervalS === 0) return { close: () => undefined };
  const samples: number[] = [];
  let resting = new Set<string>();
  const sampler = setInterval(
    () => {
      const keep = (all: ProcessFigures[]) => samples.push(all.reduce((sum, { rssBytes }) => sum + rssBytes, 0));
      stats.processes().then(keep, ignore);
    },
    Math.min(2_000, intervalS * 500),
  );
  const writer = setInterval(() => void write().catch(ignore), intervalS * 1000);
  const write = async (): Promise<void> => {
    const { sessions } = await stats.server();
    const meanMb = samples.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, samples.length) / 1e6;
    samples.length = 0;
    const rested = resting;
    resting = new Set(sessions.filter(atRest).map(({ id }) => id));
    for (const { id, state, fps, processingMs, queue, skippedFrames, viewers } of sessions) {
      if (rested.has(id) && resting.has(id)) continue;
      const fields = {
        session: id,
        state,
        fps: round(fps),
        meanMs: round(processingMs.mean),
        maxMs: round(processingMs.max),
        memoryMb: Math.round(meanMb),
        queue: queue.length,
        drops: queue.drops,
        skipped: skippedFrames,
        viewers,
      };
      log.info(fields, 'stats');
    }
  };
  sampler.unref();
  writer.unref();
  return {
    close: () => {
      clearInterval(sampler);
      clearInterval(writer);
    },
  };
}

/** What cannot be measured now is left out. */
function ignore(): void {}

function atRest({ state, viewers }: { state: string; viewers: number }): boolean {
  return state === 'idle' && viewers === 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
