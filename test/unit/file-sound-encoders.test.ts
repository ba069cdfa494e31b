import { expect, it } from 'vitest';
import { AacEncoder } from '../../src/stream/encoders/aac-encoder.js';
import { OpusFileEncoder } from '../../src/stream/encoders/opus-file-encoder.js';

const sound = Int16Array.from({ length: 50_123 }, (_, i) => 9000 * Math.sin(i / 17) + ((i * 7919) % 3000));

it.each([
  ['Opus', OpusFileEncoder, 960, 312, sound.length + 312],
  ['AAC', AacEncoder, 1024, 1024, sound.length],
] as const)(
  '%s: one line of packets over all of the sound, however it comes in',
  (name, Encoder, length, lead, least) => {
    const encoded = (block: number) => {
      const encoder = new Encoder({ bitrateKbps: 96 });
      const packets: { pts: number; duration: number; data: Buffer }[] = [];
      const sink: Parameters<typeof encoder.encode>[1] = ({ pts, duration, data }) => {
        packets.push({ pts: Number(pts), duration: Number(duration), data: Buffer.from(data ?? []) });
      };
      for (let at = 0; at < sound.length; at += block) encoder.encode(sound.subarray(at, at + block), sink);
      encoder.flush(sink);
      encoder.close();
      encoder.close();
      return packets;
    };
    const packets = encoded(4800);
    packets
      .slice(0, -1)
      .forEach(({ pts, duration }, i) => expect([pts, duration]).toEqual([i * length - lead, length]));
    const last = packets.at(-1)!;
    expect(last.pts + last.duration + lead).toBeGreaterThanOrEqual(least);
    for (const block of [1, 777, sound.length]) expect(encoded(block)).toEqual(packets);
  },
);

it('Opus refuses a bit rate that it does not have', () => {
  expect(() => new OpusFileEncoder({ bitrateKbps: 1e6 })).toThrow(RangeError);
});
