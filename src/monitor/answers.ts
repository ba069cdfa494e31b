import { z } from 'zod';
import { LADDER_STEPS } from '../guard/guard-state.js';
import { plain } from './text.js';

/**
 * What the monitor reads of the server's answers. The server may be older or newer than the monitor: a field that is
 * missing or of another type is a gap, never an error.
 */
const text = z
  .string()
  .catch('')
  .transform((value) => plain(value));
const figure = z.number().nullable().catch(null);
const count = z.number().catch(0);
const level = z.enum(['normal', 'soft', 'hard']).nullable().catch(null);
const step = z.enum(LADDER_STEPS).nullable().catch(null);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).catch([]);
const group = <T extends z.ZodRawShape>(shape: T) => z.preprocess((value) => value ?? {}, z.object(shape));

/** Of `GET /api/v1/stats`; without processes it is no server of this kind. */
export const StatsAnswer = z.object({
  uptimeS: figure,
  memory: group({ limitBytes: figure }),
  processes: z.array(z.object({ name: text, pid: count, rssBytes: count, cpuPercent: figure })),
  sessions: listOf(
    z.object({
      id: text,
      state: text,
      fps: count,
      skippedFrames: count,
      viewers: count,
      processingMs: group({ p50: count, p99: count }),
      queue: group({ length: count, capacity: count, drops: count }),
    }),
  ),
});

const Entry = z.object({ owner: text, name: text, bytes: count, limitBytes: figure, hits: count, misses: count });

/** Of `GET /api/v1/memory`. */
export const MemoryAnswer = z.object({
  rssBytes: figure,
  limitBytes: figure,
  level,
  step,
  processes: listOf(
    z.object({
      name: text,
      level,
      step,
      baseBytes: figure,
      accountedBytes: figure,
      unaccountedBytes: figure,
      entries: listOf(Entry),
    }),
  ),
});
export type MemoryAnswer = z.infer<typeof MemoryAnswer>;

/** Of `GET /api/v1/alerts`. */
export const AlertsAnswer = z.object({
  active: listOf(
    z.object({ id: text, severity: z.enum(['warning', 'critical']).catch('warning'), message: text, advice: text }),
  ),
});
