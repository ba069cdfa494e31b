import type { SessionProfile } from '../config/schema.js';

/** What of a profile decides over the cost of a picture. */
export type MeasuredProfile = Pick<
  SessionProfile,
  'width' | 'height' | 'bitrateKbps' | 'x264Preset' | 'opusBitrateKbps'
>;

/** What one picture of a speaking, watched session costs, with its sound. */
export interface FrameCost {
  /** CPU time, all threads, in ms. */
  cpuMs: number;
  /** Time until it is done, 95th percentile, in ms; on a busy machine larger than in quiet. */
  p95Ms: number;
  frames: number;
}

/** Measured costs by preset, with what each preset was when it was measured. */
export type FrameCosts = Record<string, { cost: FrameCost; profile: MeasuredProfile }>;

/** About how much longer x264 takes with each of its presets than with `ultrafast`, the drawing included. */
const X264_FACTORS: Record<SessionProfile['x264Preset'], number> = {
  ultrafast: 1,
  superfast: 1.3,
  veryfast: 1.5,
  faster: 2,
  fast: 2.5,
  medium: 3,
};

/**
 * CPU time of one picture of a profile, in ms: on the straight lines between the sizes that were measured, in proportion
 * beyond them. Throws RangeError when nothing was measured.
 */
export function pictureCpuMs(profile: MeasuredProfile, costs: FrameCosts): number {
  const points = Object.values(costs)
    .map(({ cost, profile: measured }) => ({
      pixels: measured.width * measured.height,
      ms: cost.cpuMs / X264_FACTORS[measured.x264Preset],
    }))
    .sort((a, b) => a.pixels - b.pixels);
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) throw new RangeError('no cost was measured');
  const pixels = profile.width * profile.height;
  const factor = X264_FACTORS[profile.x264Preset];
  if (pixels <= first.pixels) return (factor * first.ms * pixels) / first.pixels;
  if (pixels >= last.pixels) return (factor * last.ms * pixels) / last.pixels;
  const right = points.findIndex((point) => point.pixels >= pixels);
  const [a, b] = [points[right - 1] ?? first, points[right] ?? last];
  return factor * (a.ms + ((b.ms - a.ms) * (pixels - a.pixels)) / (b.pixels - a.pixels));
}
