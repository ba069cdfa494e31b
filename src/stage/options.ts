import { z } from 'zod';

/** What control tells a stage process when it starts it. */
export const StageOptionsSchema = z.strictObject({
  /** UDP port of all its viewers. */
  mediaPort: z.number().int().min(1).max(65_535),
  /** Address that the UDP port is bound to. */
  bindAddress: z.string(),
  publicIp: z.string().optional(),
  debugTimecode: z.boolean(),
  memory: z.strictObject({
    limitBytes: z.number().positive(),
    gcIntervalS: z.number().positive(),
    checkIntervalMs: z.number().positive(),
    softShare: z.number(),
    softRelease: z.number(),
    hardShare: z.number(),
    hardRelease: z.number(),
    cooldownMs: z.number(),
    imageCacheBytes: z.number(),
  }),
});
export type StageOptions = z.infer<typeof StageOptionsSchema>;
