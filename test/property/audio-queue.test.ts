import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AudioQueue } from '../../src/audio/audio-queue.js';
import { CHUNK_SAMPLES, type AudioChunk } from '../../src/units.js';

interface ModelChunk {
  id: string;
  start: number;
  value: number;
}

/** What the queue must do, written in the plainest way. */
class Model {
  waiting: ModelChunk[] = [];
  taken: ModelChunk[] = [];
  drops = 0;
  pushed = 0;
  constructor(public capacity: number) {}
  dropTo(capacity: number): number {
    const lost = Math.max(0, this.waiting.length - capacity);
    this.waiting.splice(0, lost);
    this.drops += lost;
    return lost;
  }
}

interface Real {
  queue: AudioQueue;
  held: AudioChunk[];
  look: AudioChunk[];
  n: number;
}

type Command = fc.Command<Model, Real>;
const MAX_TAKEN = 2;
const samplesOf = (value: number): Int16Array => new Int16Array(CHUNK_SAMPLES).fill(value);

function compare(m: Model, r: Real): void {
  expect(r.queue.stats()).toEqual({
    length: m.waiting.length,
    capacity: m.capacity,
    drops: m.drops,
    pushed: m.pushed,
    outstanding: m.taken.length,
  });
  expect(r.queue.room).toBe(Math.max(0, m.capacity - m.waiting.length));
  const seen = r.queue.ahead(r.look).map((c) => ({ id: c.utteranceId, start: c.startSample, value: c.samples[7]! }));
  expect(seen).toEqual(m.waiting);
  // What was taken stays as it was until it is released, whatever the queue does meanwhile.
  expect(r.held.map((c) => ({ id: c.utteranceId, start: c.startSample, value: c.samples[1919]! }))).toEqual(m.taken);
}

function command(name: string, run: (m: Model, r: Real) => void): Command {
  return {
    check: () => true,
    run: (m, r) => {
      run(m, r);
      compare(m, r);
    },
    toString: () => name,
  };
}

const push = (id: string, live: boolean): Command =>
  command(`${live ? 'push' : 'tryPush'}(${id})`, (m, r) => {
    const value = ++r.n;
    const meta = { utteranceId: id, startSample: value * CHUNK_SAMPLES, lengthSamples: CHUNK_SAMPLES };
    const room = m.waiting.length < m.capacity;
    if (live) {
      const lost = room ? 0 : m.dropTo(m.capacity - 1);
      expect(r.queue.push(samplesOf(value), meta)).toBe(lost);
    } else {
      expect(r.queue.tryPush(samplesOf(value), meta)).toBe(room);
      if (!room) return;
    }
    m.pushed++;
    m.waiting.push({ id, start: meta.startSample, value });
  });
const take = command('take', (m, r) => {
  if (m.taken.length === MAX_TAKEN && m.waiting.length > 0) {
    expect(() => r.queue.take()).toThrow(RangeError);
    return;
  }
  const expected = m.waiting.shift();
  const chunk = r.queue.take();
  expect(chunk?.samples[0]).toBe(expected?.value);
  if (expected === undefined || chunk === null) return;
  m.taken.push(expected);
  r.held.push(chunk);
});
const release = command('release', (m, r) => {
  const chunk = r.held.shift();
  if (chunk === undefined) return;
  m.taken.shift();
  r.queue.release(chunk);
  expect(() => r.queue.release(chunk)).toThrow(RangeError);
});
const clear = (id: string | undefined): Command =>
  command(`clear(${id ?? ''})`, (m, r) => {
    const kept = id === undefined ? [] : m.waiting.filter((c) => c.id !== id);
    expect(r.queue.clear(id)).toBe(m.waiting.length - kept.length);
    m.waiting = kept;
  });
const resize = (capacity: number, keep: boolean): Command =>
  command(`resize(${capacity}, ${keep})`, (m, r) => {
    r.queue.resize(capacity, { keep });
    m.capacity = capacity;
    if (!keep) m.dropTo(capacity);
  });

const id = fc.constantFrom('a', 'b');
const commands = fc.commands(
  [
    fc.tuple(id, fc.boolean()).map(([name, live]) => push(name, live)),
    fc.tuple(id, fc.boolean()).map(([name, live]) => push(name, live)),
    fc.constant(take),
    fc.constant(release),
    fc.option(id, { nil: undefined }).map(clear),
    fc.tuple(fc.integer({ min: 1, max: 6 }), fc.boolean()).map(([capacity, keep]) => resize(capacity, keep)),
  ],
  { maxCommands: 120 },
);

describe('AudioQueue against a model', () => {
  it('keeps order, counts and contents under any sequence of calls', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), commands, (capacity, sequence) => {
        const queue = new AudioQueue({ capacity, maxTaken: MAX_TAKEN });
        fc.modelRun(() => ({ model: new Model(capacity), real: { queue, held: [], look: [], n: 0 } }), sequence);
        queue.close();
        queue.close();
      }),
      { numRuns: 300 },
    );
  });

  it('never grows its memory, whatever is pushed', () => {
    const queue = new AudioQueue({ capacity: 3 });
    const bytes = queue.bytes();
    expect(bytes).toBe(5 * CHUNK_SAMPLES * 2);
    for (let i = 0; i < 1000; i++) {
      queue.push(samplesOf(i), { utteranceId: 'a', startSample: 0, lengthSamples: CHUNK_SAMPLES });
      if (i % 3 === 0) {
        const chunk = queue.take();
        if (chunk !== null) queue.release(chunk);
      }
    }
    expect(queue.bytes()).toBe(bytes);
    queue.resize(5);
    queue.resize(3);
    expect(queue.bytes()).toBe(bytes);
  });
});
