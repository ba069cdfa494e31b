import { z } from 'zod';
import { DhError, type ErrorJson } from '../../errors.js';
import { PROJECT_NAME } from '../../render/project-name.js';
import type { RenderProgress } from '../../render/render-events.js';

export const RENDER_STATES = ['queued', 'running', 'done', 'failed'] as const;
export type RenderState = (typeof RENDER_STATES)[number];

/** How a render is seen from outside. */
export interface RenderView {
  id: string;
  /** Under which its work is kept and gone on with; null: only under its id. */
  project: string | null;
  state: RenderState;
  createdAtMs: number;
  endedAtMs: number | null;
  progress: {
    phase: string;
    done: number;
    total: number;
    percent: number;
    etaS: number | null;
    /** Times real time. */
    speed: number;
    rssBytes: number;
  } | null;
  notes: string[];
  /** What the render itself told at its end: parts, clips that were left out … */
  result: Record<string, unknown> | null;
  error: ErrorJson | null;
}

/** A project that has files, and the id of the render that is in the list for it. */
export interface ProjectView {
  project: string;
  render: string | null;
}

const Saved = z.object({
  id: z.string(),
  project: z.string().regex(PROJECT_NAME).nullable().default(null),
  state: z.enum(RENDER_STATES),
  createdAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  progress: z
    .object({
      phase: z.string(),
      done: z.number(),
      total: z.number(),
      percent: z.number(),
      etaS: z.number().nullable(),
      speed: z.number(),
      rssBytes: z.number(),
    })
    .nullable(),
  notes: z.array(z.string()),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: z
    .object({ code: z.string(), message: z.string(), hint: z.string().optional() })
    .transform((error) => DhError.from(error).toJSON())
    .nullable(),
});

/** Reads what was saved of a render. Throws SyntaxError or ZodError when it is damaged. */
export function readView(text: string, id: string): RenderView {
  const view = Saved.parse(JSON.parse(text));
  if (view.id !== id) throw new SyntaxError(`It is of another render, ${view.id}.`);
  return view;
}

/** A render that was just asked for. */
export function newView(id: string, project: string | null, createdAtMs: number): RenderView {
  const nothing = { endedAtMs: null, progress: null, notes: [], result: null, error: null };
  return { id, project, state: 'queued', createdAtMs, ...nothing };
}

/** How far a render is, for clients. */
export function progressOf(told: RenderProgress): NonNullable<RenderView['progress']> {
  const { phase, share, leftS: etaS, speed, rssBytes, clipsDone, clips, partsDone, parts } = told;
  const [done, total] = phase === 'write' || phase === 'full' ? [partsDone, parts] : [clipsDone, clips];
  return { phase, done, total, percent: Math.round(1000 * share) / 10, etaS, speed, rssBytes };
}
