import { describe, expect, it } from 'vitest';
import { AudioQueue, FADE, type ChunkMeta } from '../../src/audio/audio-queue.js';
import { CHUNK_SAMPLES } from '../../src/units.js';

const meta: ChunkMeta = { utteranceId: 'u', startSample: 0, lengthSamples: CHUNK_SAMPLES };
const samples = new Int16Array(CHUNK_SAMPLES);

describe('AudioQueue', () => {
  it('drops the oldest of a live source and counts it', () => {
    const queue = new AudioQueue();
    for (let i = 0; i < 5; i++) queue.push(samples, { ...meta, startSample: i });
    expect(queue.stats()).toMatchObject({ length: 3, capacity: 3, drops: 2, pushed: 5 });
    expect(queue.take()?.startSample).toBe(2);
  });

  it('copies the samples in', () => {
    const queue = new AudioQueue();
    const mine = new Int16Array(CHUNK_SAMPLES).fill(5);
    queue.push(mine, meta);
    mine.fill(9);
    expect(queue.take()?.samples[100]).toBe(5);
  });

  it('has room for a source that waits, until it is full', () => {
    const queue = new AudioQueue({ capacity: 2 });
    expect(queue.tryPush(samples, meta)).toBe(true);
    expect(queue.tryPush(samples, meta)).toBe(true);
    expect([queue.room, queue.tryPush(samples, meta)]).toEqual([0, false]);
    queue.release(queue.take()!);
    expect([queue.room, queue.tryPush(samples, meta)]).toEqual([1, true]);
  });

  it('takes and gives nothing after it was closed', () => {
    const queue = new AudioQueue({ capacity: 1 });
    queue.tryPush(samples, meta);
    queue.close();
    expect(queue.push(samples, meta)).toBe(0);
    expect(queue.tryPush(samples, meta)).toBe(false);
    expect(queue.take()).toBeNull();
    expect(queue.bytes()).toBe(0);
  });

  it('keeps of an interrupted utterance a fade of 8 ms, ahead of what comes next', () => {
    const loud = new Int16Array(CHUNK_SAMPLES).fill(10_000);
    const queue = new AudioQueue({ capacity: 3 });
    for (let i = 0; i < 3; i++) queue.push(loud, { ...meta, startSample: i });
    queue.cutToFade();
    expect([queue.length, queue.soundLength]).toEqual([1, 0]);
    queue.push(loud, { ...meta, utteranceId: 'next' });
    expect([queue.length, queue.soundLength]).toEqual([2, 1]);
    queue.cutToFade(); // the fade that is there is heard, not a new one
    queue.push(loud, { ...meta, utteranceId: 'last' });
    const fade = queue.take()!;
    expect([fade.utteranceId, fade.lengthSamples]).toEqual([FADE, 0]);
    expect(fade.samples[0]).toBeGreaterThan(9_900);
    expect(fade.samples.subarray(384).every((sample) => sample === 0)).toBe(true);
    expect(queue.take()?.utteranceId).toBe('last');
  });

  it('gives a fade up for sound when it is full, which counts as no drop', () => {
    const queue = new AudioQueue({ capacity: 1 });
    queue.push(samples, meta);
    queue.cutToFade();
    expect(queue.push(samples, { ...meta, utteranceId: 'next' })).toBe(0);
    expect(queue.take()?.utteranceId).toBe('next');
    expect(queue.stats()).toMatchObject({ drops: 0, pushed: 2 });
  });

  it('drops the oldest when it becomes shorter, unless they are to be kept', () => {
    const queue = new AudioQueue({ capacity: 5 });
    for (let i = 0; i < 5; i++) queue.push(samples, { ...meta, startSample: i });
    queue.resize(3);
    expect(queue.stats()).toMatchObject({ length: 3, capacity: 3, drops: 2 });
    queue.resize(1, { keep: true });
    expect(queue.stats()).toMatchObject({ length: 3, capacity: 1, drops: 2 });
    expect(queue.room).toBe(0);
    expect(queue.tryPush(samples, meta)).toBe(false);
    const kept = [queue.take()!, queue.take()!];
    expect(kept.map(({ startSample }) => startSample)).toEqual([2, 3]);
    for (const chunk of kept) queue.release(chunk);
    expect(queue.take()?.startSample).toBe(4);
    expect(queue.room).toBe(1);
  });

  it('gives a live source that takes over a shortened queue only the new length', () => {
    const queue = new AudioQueue({ capacity: 4 });
    for (let i = 0; i < 4; i++) queue.push(samples, { ...meta, startSample: i });
    queue.resize(2, { keep: true });
    expect(queue.push(samples, { ...meta, startSample: 9 })).toBe(3);
    expect(queue.ahead([]).map(({ startSample }) => startSample)).toEqual([3, 9]);
    expect(queue.bytes()).toBe((2 + 2) * samples.byteLength);
  });

  it('takes back a chunk after it was closed', () => {
    const queue = new AudioQueue();
    queue.push(samples, meta);
    const chunk = queue.take()!;
    queue.close();
    queue.release(chunk);
    expect(queue.stats().outstanding).toBe(0);
    expect(queue.bytes()).toBe(0);
  });

  it('refuses chunks of another length, foreign chunks and impossible capacities', () => {
    const queue = new AudioQueue();
    expect(() => queue.push(new Int16Array(1919), meta)).toThrow(RangeError);
    expect(() => queue.tryPush(new Int16Array(0), meta)).toThrow(RangeError);
    expect(() => queue.release({ ...meta, samples })).toThrow(RangeError);
    for (const capacity of [0, -1, 1.5, Number.NaN]) {
      expect(() => new AudioQueue({ capacity })).toThrow(RangeError);
      expect(() => queue.resize(capacity)).toThrow(RangeError);
    }
  });
});
