import { z } from 'zod';
import { VISEMES } from '../units.js';

const pixels = z.number().min(-8192).max(8192);
const side = z.number().int().min(16).max(8192);
const part = z.number().min(0).max(1);
const around = z.number().min(-1).max(1);

const file = z.string().min(1).max(200).describe('A picture, relative to the folder: PNG, JPEG, WebP or SVG.');
const point = z.strictObject({ x: pixels, y: pixels });
const rect = z.strictObject({
  x: z.number().int().min(0).max(8192),
  y: z.number().int().min(0).max(8192),
  width: side,
  height: side,
});
const ellipse = z.strictObject({
  x: pixels,
  y: pixels,
  rx: z.number().min(4).max(8192),
  ry: z.number().min(4).max(8192),
});

const picture = {
  file,
  at: point
    .optional()
    .describe('Where the top left corner of the picture goes; otherwise at the top left of the base.'),
};
const region = {
  rect: rect.optional().describe('Only this part of the pictures is used. Needed when they are whole and opaque.'),
  feather: z.number().int().min(0).max(64).default(8).describe('Soft border inside `rect`, in pixels.'),
};

const mouthPose = z.strictObject({
  open: part.default(0),
  width: around.default(0),
  round: part.default(0),
  teeth: part.default(0.5),
  tongue: part.default(0),
  press: part.default(0),
  tuck: part.default(0),
});

const mouthPicture = z
  .strictObject({ ...picture, viseme: z.enum(VISEMES).optional(), pose: mouthPose.optional() })
  .refine((value) => (value.viseme === undefined) !== (value.pose === undefined), 'needs either viseme or pose');

const loop = z.strictObject({
  folder: z.string().min(1).max(200).describe('All pictures of this folder, by name, at 25 a second.'),
  crossfadeFrames: z.number().int().min(0).max(50).default(6),
});
const list = z.strictObject({
  files: z.array(file).min(1).max(500),
  crossfadeFrames: z.number().int().min(0).max(50).default(6),
});

/** `avatar.json` of an avatar package. Everything is in pixels of the base picture. */
export const packageSchema = z.strictObject({
  $schema: z.string().optional(),
  format: z.literal(1).describe('Version of this format.'),
  title: z.string().min(1).max(80).describe('What people call it.'),
  size: z.strictObject({ width: side, height: side }).describe('Of the base picture.'),
  base: z
    .union([file, loop, list])
    .describe('The neutral face: one picture, or several that make a loop while nothing is said.'),
  layers: z
    .array(z.strictObject({ ...picture, front: z.boolean().default(false).describe('Above mouth, eyes and brows.') }))
    .max(16)
    .default([])
    .describe('Pictures laid over the base, in this order.'),
  mouth: z.strictObject({ ...region, pictures: z.array(mouthPicture).min(1).max(200) }).optional(),
  lids: z
    .strictObject({
      ...region,
      pictures: z
        .array(z.strictObject({ ...picture, close: part }))
        .min(1)
        .max(20),
    })
    .optional(),
  gaze: z
    .strictObject({
      ...region,
      pictures: z
        .array(z.strictObject({ ...picture, x: around.default(0), y: around.default(0) }))
        .min(1)
        .max(30),
    })
    .optional(),
  brows: z
    .strictObject({
      ...region,
      pictures: z
        .array(z.strictObject({ ...picture, raise: around.default(0), frown: part.default(0) }))
        .min(1)
        .max(30),
    })
    .optional(),
  anchors: z
    .strictObject({
      head: ellipse.describe('Around head and hair.'),
      pivot: point.optional().describe('Base of the neck; otherwise a little below the head.'),
      chest: ellipse.optional().describe('What breathing lifts; otherwise below the neck.'),
    })
    .describe('Where the parts that move are.'),
});

/** A checked `avatar.json`. */
export type PackageJson = z.infer<typeof packageSchema>;
