import { describe, expect, it } from 'vitest';
import { PushSource } from '../../src/server/push-source.js';

const bytes = (...samples: number[]): Uint8Array => new Uint8Array(Int16Array.from(samples).buffer);

async function all(source: PushSource): Promise<number[]> {
  const out: number[] = [];
  for await (const { pcm } of source.pieces(new AbortController().signal)) out.push(...pcm);
  return out;
}

describe('a source that is pushed', () => {
  it('gives what was written, also when samples are cut in the middle, and joins what waits', async () => {
    const source = new PushSource(16_000, { live: false });
    const whole = bytes(1, -2, 300, -400, 5);
    source.write(whole.subarray(0, 3));
    source.write(whole.subarray(3, 4));
    source.write(whole.subarray(4));
    source.end();
    const pieces: Int16Array[] = [];
    for await (const { pcm } of source.pieces(new AbortController().signal)) pieces.push(pcm);
    expect(pieces.map((piece) => [...piece])).toEqual([[1, -2, 300, -400, 5]]);
  });

  it('asks a sender that can wait to pause, and loses nothing', async () => {
    let drained = 0;
    const source = new PushSource(1000, { live: false, onDrain: () => drained++ });
    expect(source.write(new Uint8Array(4000))).toBe(true);
    expect(source.write(new Uint8Array(2))).toBe(false);
    expect([source.full, source.waitingBytes]).toEqual([true, 4002]);
    source.end();
    expect(await all(source)).toHaveLength(2001);
    expect(drained).toBe(1);
    expect([source.full, source.waitingBytes]).toEqual([false, 0]);
  });

  it('loses the oldest of a live sender', async () => {
    let lost = 0;
    const source = new PushSource(1000, { live: true, onDrop: (samples) => (lost += samples) });
    for (let i = 1; i <= 4; i++) source.write(new Uint8Array(Int16Array.from({ length: 1000 }, () => i).buffer));
    source.end();
    const heard = await all(source);
    expect(heard).toHaveLength(2000);
    expect([heard[0], heard.at(-1)]).toEqual([3, 4]);
    expect(lost).toBe(2000);
  });

  it('ends when nobody wants it any more, also while it waits', async () => {
    const source = new PushSource(16_000, { live: true });
    const abort = new AbortController();
    const reading = (async () => {
      for await (const piece of source.pieces(abort.signal)) void piece;
    })();
    source.write(bytes(1, 2, 3));
    abort.abort();
    await reading;
    expect(source.waitingBytes).toBe(0);
    expect(source.write(bytes(1))).toBe(true);
  });
});
