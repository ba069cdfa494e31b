import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import type { Closable } from '../units.js';
import type { OutputSettings } from './output.js';
import { drawStill, type StillSpec } from './still-picture.js';
import { VpxEncoder } from './vpx-encoder.js';

/** Encoded pictures that are kept. */
const MAX_BYTES = 24e6;
/** Longest group of pictures that begins with a key frame. */
export const GOP_FRAMES = 250;

/**
 * In H.264 nothing but frame_num tells pictures without a change apart, and that counts modulo a power of two, at least
 * 16 (ITU-T H.264, 7.4.2.1.1). VP9 goes on adapting, and does not repeat.
 */
const PERIODS = [16, 32, 64] as const;

/** A still picture as it is encoded: unit 0 is a key frame, the others say "as before". */
export interface StillTemplate {
  units: Uint8Array[];
}

/**
 * Encodes still pictures once: a key frame and as many pictures without a change as are needed. In H.264 two key frames
 * in a row must differ in idr_pic_id (ITU-T H.264, 7.4.3), so there are two variants.
 */
export class StillTemplates implements Closable {
  readonly #output: OutputSettings;
  readonly #kept = new LRUCache<string, StillTemplate>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ units }) => units.reduce((sum, unit) => sum + unit.length + 200, 1),
  });

  readonly #inWork = new Map<string, { frames: number; template: Promise<StillTemplate> }>();
  #closed = false;

  constructor(output: OutputSettings) {
    this.#output = output;
  }

  /** Begins with a template ahead of need. What goes wrong is told to whoever `get`s it. */
  warm(spec: StillSpec, frames: number): void {
    this.get(spec, Math.min(frames, GOP_FRAMES), 0).catch(() => undefined);
  }

  /** The template of a picture with at least `frames` units; at most `GOP_FRAMES`. */
  async get(spec: StillSpec, frames: number, variant: 0 | 1): Promise<StillTemplate> {
    const key = `${variant}${JSON.stringify(spec)}`;
    const kept = this.#kept.get(key);
    if (kept && kept.units.length >= frames) return kept;
    const inWork = this.#inWork.get(key);
    if (inWork && inWork.frames >= frames) return inWork.template;
    const template = this.#encode(spec, frames, variant);
    this.#inWork.set(key, { frames, template });
    try {
      this.#kept.set(key, await template);
      return await template;
    } finally {
      if (this.#inWork.get(key)?.template === template) this.#inWork.delete(key);
    }
  }

  close(): void {
    this.#closed = true;
    this.#kept.clear();
  }

  async #encode(spec: StillSpec, frames: number, variant: 0 | 1): Promise<StillTemplate> {
    const { width, height } = this.#output;
    const picture = await drawStill(spec, width, height);
    const encoder = stillEncoder(this.#output);
    try {
      const units: Uint8Array[] = [];
      // libx264 numbers its IDR pictures 0, 1, 0, 1 …
      for (let n = 0; n < variant; n++) encoder.encode(picture, n, true);
      for (let n = 0; n < frames; n++) {
        const { data } = encoder.encode(picture, variant + n, n === 0);
        units.push(Uint8Array.from(data));
        const period = PERIODS.find((length) => repeats(units, length));
        if (period !== undefined) {
          while (units.length < frames) units.push(units.at(-period)!);
          break;
        }
        // Others get their turn between two pictures: clips are prepared meanwhile.
        await setImmediate();
        if (this.#closed) throw new RangeError('the templates are closed');
      }
      return { units };
    } finally {
      encoder.close();
      picture.close();
    }
  }
}

/** Whether the last two stretches of a length are equal, and everything after the key frame is in them. */
function repeats(units: readonly Uint8Array[], length: number): boolean {
  if (units.length !== 1 + 2 * length) return false;
  return units.slice(1, 1 + length).every((unit, i) => Buffer.compare(unit, units[1 + length + i]!) === 0);
}

function stillEncoder({ width, height, rate, format }: OutputSettings): VideoEncoder | VpxEncoder {
  if (format === 'webm') return new VpxEncoder({ width, height, rate, still: true });
  return new VideoEncoder({ width, height, rate, bitrateKbps: 1, mode: 'still', threads: 1 });
}
