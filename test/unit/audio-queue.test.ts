import { describe, expect, it } from 'vitest';
import { AudioQueue, type ChunkMeta } from '../../src/audio/audio-queue.js';
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

  it('tells a waiting source of room once, when there was none', async () => {
    const queue = new AudioQueue({ capacity: 2 });
    let calls = 0;
    queue.onRoom = () => calls++;
    expect(queue.tryPush(samples, meta)).toBe(true);
    const first = queue.take()!;
    expect(calls).toBe(0);
    queue.release(first);
    queue.tryPush(samples, meta);
    queue.tryPush(samples, meta);
    expect(queue.tryPush(samples, meta)).toBe(false);
    const waited = queue.whenRoom();
    queue.release(queue.take()!);
    await waited;
    expect(calls).toBe(1);
    await queue.whenRoom();
  });

  it('lets every waiter go when it is closed', async () => {
    const queue = new AudioQueue({ capacity: 1 });
    queue.tryPush(samples, meta);
    const waits = [queue.whenRoom(), queue.whenRoom()];
    queue.close();
    await Promise.all(waits);
    expect(queue.push(samples, meta)).toBe(0);
    expect(queue.tryPush(samples, meta)).toBe(false);
    expect(queue.take()).toBeNull();
    expect(queue.bytes()).toBe(0);
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
