import { z } from 'zod';

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

/** Body of `POST /renders`. */
export const RenderBody = z
  .strictObject({
    items: z.array(Item).min(1).max(10_000),
    image: Source.optional(),
    avatar: Name.optional(),
    split: Time.optional(),
    splitExact: z.boolean().default(false),
    size: z
      .string()
      .regex(/^\d{2,4}x\d{2,4}$/, 'as in 1280x720')
      .optional(),
    fps: z.union([z.number().min(1).max(120), z.string().regex(/^\d+(\.\d+|\/\d+)?$/)]).optional(),
    format: z.enum(['mp4', 'webm']).optional(),
    subtitles: z.enum(['srt', 'burn', 'both']).optional(),
    gap: Time.optional(),
    voice: Name.optional(),
    language: Name.optional(),
    skipBad: z.boolean().default(false),
  })
  .refine(({ image, avatar }) => image === undefined || avatar === undefined, 'either image or avatar')
  .refine(({ splitExact, split }) => !splitExact || split !== undefined, 'splitExact needs split')
  .transform(({ items, image, ...rest }) => ({ items, image, flags: flagsOf(rest) }));
export type RenderRequest = z.infer<typeof RenderBody>;

/** As flags of `dh-live render`: `splitExact: true` is `--split-exact`. */
function flagsOf(options: Record<string, string | number | boolean | undefined>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === undefined || value === false) return [];
    return value === true ? [flag] : [`${flag}=${value}`];
  });
}
