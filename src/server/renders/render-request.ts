import { z } from 'zod';
import { parseDuration } from '../../durations.js';
import { DhError } from '../../errors.js';
import type { FrameRate } from '../../render/frame-grid.js';
import { parseRate, parseSize, RATE_RULE, SIZE_RULE } from '../../render/picture-settings.js';
import { PROJECT_NAME, PROJECT_RULE } from '../../render/project-name.js';
import { FRAME_RATE } from '../../units.js';

const File = z.string().min(1).max(1000);
const Upload = z.uuid();
const Time = z.string().regex(/^\d+(\.\d+)?(ms|s|m|h)?$/, 'as in 200ms or 10m');
const Name = z.string().regex(/^[\w][\w .-]{0,99}$/, 'a name');

/** A file: an upload, or one of the server under `renders.folder`. */
const Source = z
  .strictObject({ upload: Upload.optional(), file: File.optional() })
  .refine(({ upload, file }) => (upload === undefined) !== (file === undefined), 'either upload or file');
export type FileSource = z.infer<typeof Source>;

const Item = z
  .strictObject({
    upload: Upload.optional(),
    file: File.optional(),
    text: z.string().max(20_000).optional(),
    voice: Name.optional(),
    language: Name.optional(),
    title: z.string().max(500).optional(),
    image: Source.optional(),
    gap: Time.optional(),
  })
  .refine(({ upload, file, text }) => {
    const files = [upload, file].filter((each) => each !== undefined).length;
    return files === 1 || (files === 0 && text !== undefined && text.trim() !== '');
  }, 'one of upload, file or text');

/** Body of `POST /renders`; `countItems` bounds the number of its items. */
export const RenderBody = z
  .strictObject({
    items: z.array(Item).min(1),
    project: z.string().regex(PROJECT_NAME, PROJECT_RULE).optional(),
    image: Source.optional(),
    avatar: Name.optional(),
    split: Time.refine((text) => (parseDuration(text, 's') ?? 0) >= 1000, 'at least a second, as in 10m').optional(),
    splitExact: z.boolean().default(false),
    size: z
      .string()
      .refine((text) => parseSize(text) !== null, SIZE_RULE)
      .optional(),
    fps: z
      .union([z.number(), z.string().max(20)])
      .refine((value) => parseRate(String(value)) !== null, RATE_RULE)
      .optional(),
    format: z.enum(['mp4', 'webm']).optional(),
    subtitles: z.enum(['srt', 'burn', 'both']).optional(),
    gap: Time.optional(),
    voice: Name.optional(),
    language: Name.optional(),
    skipBad: z.boolean().default(false),
  })
  .refine(({ image, avatar }) => image === undefined || avatar === undefined, 'either image or avatar')
  .refine(({ splitExact, split }) => !splitExact || split !== undefined, 'splitExact needs split')
  .refine(
    ({ avatar, fps }) => avatar === undefined || fps === undefined || isAvatarRate(parseRate(String(fps))),
    `an avatar moves at ${FRAME_RATE} pictures a second: leave fps out`,
  )
  .transform(({ items, project, image, ...rest }) => ({
    ...{ items, project, image, avatar: rest.avatar, voice: rest.voice, language: rest.language },
    flags: flagsOf(rest),
  }));
export type RenderRequest = z.infer<typeof RenderBody>;

function isAvatarRate(rate: FrameRate | null): boolean {
  return rate !== null && rate.num === FRAME_RATE * rate.den;
}

/** As flags of `dh-live render`: `splitExact: true` is `--split-exact`. */
function flagsOf(options: Record<string, string | number | boolean | undefined>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === undefined || value === false) return [];
    return value === true ? [flag] : [`${flag}=${value}`];
  });
}

/**
 * Looks at the number of items of a body before anything else is done with it: each costs time and memory. Throws
 * `items_too_many`.
 */
export function countItems(body: unknown, most: number): void {
  const { items } = (body ?? {}) as { items?: unknown };
  if (!Array.isArray(items) || items.length <= most) return;
  throw new DhError('items_too_many', `${items.length} items are more than the ${most} that a render may have.`, {
    hint: 'Make several renders of them, or raise renders.maxItems.',
  });
}
