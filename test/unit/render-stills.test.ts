import { afterAll, expect, test } from 'vitest';
import { FrameGrid } from '../../src/render/frame-grid.js';
import type { PartJob } from '../../src/render/part-job.js';
import { groupsOf } from '../../src/render/still-source.js';
import { GOP_FRAMES, StillTemplates } from '../../src/render/still-templates.js';
import { drawStill } from '../../src/render/still-picture.js';
import { VideoEncoder } from '../../src/stream/encoders/video-encoder.js';
import { h264Decoder } from '../support/decode-media.js';

const output = { width: 128, height: 72, rate: { num: 25, den: 1 }, format: 'mp4', soundKbps: 96 } as const;
const templates = new StillTemplates(output);
afterAll(() => templates.close());

const black = { image: null, caption: null };

/** The NAL units of an access unit: type and payload. */
function nals(unit: Uint8Array): { type: number; bits: string }[] {
  const text = Buffer.from(unit);
  const found: { type: number; bits: string }[] = [];
  for (let at = text.indexOf('000001', 0, 'hex'); at >= 0;) {
    const next = text.indexOf('000001', at + 3, 'hex');
    const nal = text.subarray(at + 3, next < 0 ? text.length : next);
    // Emulation prevention is taken out.
    const bytes = [...nal.subarray(1, 40)].filter(
      (byte, i, all) => !(byte === 3 && all[i - 1] === 0 && all[i - 2] === 0),
    );
    found.push({ type: nal[0]! & 31, bits: bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('') });
    at = next;
  }
  return found;
}

/** Reads unsigned Exp-Golomb codes and fixed fields from bits (ITU-T H.264, 9.1). */
class Bits {
  at = 0;
  constructor(readonly bits: string) {}
  take(count: number): number {
    this.at += count;
    return parseInt(this.bits.slice(this.at - count, this.at) || '0', 2);
  }
  ue(): number {
    let zeros = 0;
    while (this.bits[this.at + zeros] === '0') zeros++;
    this.at += zeros;
    return this.take(zeros + 1) - 1;
  }
}

/** log2_max_frame_num of the sequence parameter set, high profile 4:2:0 without scaling lists. */
function frameNumBits(sps: string): number {
  const bits = new Bits(sps);
  const profile = bits.take(8);
  bits.take(16);
  bits.ue();
  if (profile === 100) {
    bits.ue();
    bits.ue();
    bits.ue();
    bits.take(2);
  }
  return bits.ue() + 4;
}

test('a still picture is a key frame and pictures that cost nothing, numbered as the standard wants it', async () => {
  const ids: number[] = [];
  for (const variant of [0, 1] as const) {
    const { units } = await templates.get(black, GOP_FRAMES, variant);
    expect(units).toHaveLength(GOP_FRAMES);
    const first = nals(units[0]!);
    const sps = first.find(({ type }) => type === 7)!;
    const idr = new Bits(first.find(({ type }) => type === 5)!.bits);
    const size = frameNumBits(sps.bits);
    expect([idr.ue(), idr.ue() % 5, idr.ue()]).toEqual([0, 2, 0]); // one slice, all I, PPS 0
    expect(idr.take(size)).toBe(0);
    ids.push(idr.ue());
    for (const [n, unit] of units.entries()) {
      if (n === 0) continue;
      const slices = nals(unit).filter(({ type }) => type === 1);
      expect(slices).toHaveLength(1);
      expect(unit.length).toBeLessThan(100);
      const slice = new Bits(slices[0]!.bits);
      expect([slice.ue(), slice.ue() % 5, slice.ue()]).toEqual([0, 0, 0]); // P
      expect(slice.take(size)).toBe(n % 2 ** size);
    }
  }
  expect(ids[0]).not.toBe(ids[1]);
});

test('pictures that are repeated are those that an encoder would have made', async () => {
  const { units } = await templates.get(black, GOP_FRAMES, 0);
  const { width, height, rate } = output;
  const encoder = new VideoEncoder({ width, height, rate, bitrateKbps: 1, mode: 'still', threads: 1 });
  const picture = await drawStill(black, width, height);
  const encoded = Array.from({ length: GOP_FRAMES }, (_, n) =>
    Buffer.from(encoder.encode(picture, n, n === 0).data).toString('hex'),
  );
  encoder.close();
  picture.close();
  expect(units.map((unit) => Buffer.from(unit).toString('hex'))).toEqual(encoded);
});

test('a decoder takes templates cut off anywhere, one after the other', async () => {
  const { units } = await templates.get(black, 50, 0);
  const other = await templates.get(black, 50, 1);
  const decoder = h264Decoder();
  let pictures = 0;
  for (const group of [units.slice(0, 50), units.slice(0, 1), other.units.slice(0, 1), units.slice(0, 7)]) {
    for (const unit of group) decoder.decode(unit, () => pictures++);
  }
  decoder.decode(null, () => pictures++);
  decoder.close();
  expect(pictures).toBe(59);
});

function job(over: Partial<PartJob>): PartJob {
  return {
    path: '',
    startSample: 0,
    endSample: 0,
    clips: [],
    captions: [],
    fontFile: '',
    avatar: null,
    output,
    ...over,
  };
}

test('groups begin where the picture changes and are of nearly equal length', () => {
  const clip = (startSample: number, image: string | null) => ({
    pcmPath: '',
    cuesPath: null,
    startSample,
    lengthSamples: 9_600,
    image,
  });
  const clips = [clip(0, 'a'), clip(19_200, 'a'), clip(38_400, 'b'), clip(39_000, 'c'), clip(1_000_000, 'a')];
  const wanted = job({ endSample: 1_001_500, clips });
  const groups = groupsOf(wanted, new FrameGrid(1_001_500, output.rate));
  expect(groups.map(({ spec, frames, variant }) => [spec.image, frames, variant])).toEqual([
    ['a', 20, 0],
    ['c', 167, 0],
    ['c', 167, 0],
    ['c', 167, 0],
    ['a', 1, 1],
  ]);
});

test('the caption is there while it is to be read', () => {
  const captions = [{ text: 'Hi', startSample: 48_000, endSample: 96_000 }];
  const wanted = job({ endSample: 144_000, captions });
  const groups = groupsOf(wanted, new FrameGrid(144_000, output.rate));
  expect(groups.map(({ spec, frames }) => [spec.caption?.text ?? null, frames])).toEqual([
    [null, 25],
    ['Hi', 25],
    [null, 25],
  ]);
});
