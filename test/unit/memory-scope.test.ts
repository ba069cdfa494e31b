import { describe, expect, it } from 'vitest';
import { Cleanups } from '../../src/guard/cleanups.js';
import { MemoryRegistry } from '../../src/guard/memory-registry.js';
import { MemoryScopes } from '../../src/guard/memory-scope.js';

/** A process whose memory grows by what the work says. */
function bench(limits = {}) {
  const now = { ms: 0, rss: 1000, heapUsed: 100 };
  const scopes = new MemoryScopes({ clock: () => now.ms, memory: () => ({ ...now }), limits });
  const grow = (rss: number, heap = 0, ms = 1) => {
    now.rss += rss;
    now.heapUsed += heap;
    now.ms += ms;
  };
  return { scopes, grow };
}

describe('MemoryScopes', () => {
  it('records count, mean and maximum of a piece of work, and gives back what it returns', () => {
    const { scopes, grow } = bench();
    for (const bytes of [10, 20, 60]) expect(scopes.run('load', () => (grow(bytes, bytes / 10, 2), bytes))).toBe(bytes);
    expect(scopes.figures()).toEqual([
      {
        label: 'load',
        ...{ count: 3, failed: 0, running: 0, overLimit: 0 },
        rssBytes: { mean: 30, max: 60 },
        heapBytes: { mean: 3, max: 6 },
        ms: { mean: 2, max: 2 },
      },
    ]);
  });

  it('records asynchronous work when it settles, and its failures', async () => {
    const { scopes, grow } = bench();
    let finish!: () => void;
    const work = scopes.run('load', () => new Promise<void>((resolve) => (finish = resolve)));
    expect(scopes.figures()[0]).toMatchObject({ count: 0, running: 1 });
    grow(50);
    finish();
    await work;
    expect(scopes.figures()[0]).toMatchObject({ count: 1, running: 0, rssBytes: { mean: 50, max: 50 } });
    await expect(scopes.run('load', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const fail = (): never => {
      throw new Error('at once');
    };
    expect(() => scopes.run('load', fail)).toThrow('at once');
    expect(scopes.figures()[0]).toMatchObject({ count: 3, failed: 2, running: 0 });
  });

  it('wraps a function, with its arguments', async () => {
    const { scopes, grow } = bench();
    const add = scopes.monitored('add', (a: number, b: number) => (grow(a + b), a + b));
    const later = scopes.monitored('later', async (a: string) => `${a}!`);
    expect(add(2, 3)).toBe(5);
    expect(await later('x')).toBe('x!');
    expect(scopes.figures().map(({ label, count }) => [label, count])).toEqual([
      ['add', 1],
      ['later', 1],
    ]);
  });

  it('remembers only the last records of a label, and only so many labels', () => {
    const { scopes, grow } = bench({ records: 3, labels: 2 });
    for (const bytes of [1000, 1, 2, 3]) scopes.run('a', () => grow(bytes));
    expect(scopes.figures()[0]).toMatchObject({ count: 4, rssBytes: { mean: 2, max: 3 } });
    scopes.configure({ records: 2 });
    expect(scopes.figures()[0]?.rssBytes).toEqual({ mean: 2.5, max: 3 });
    scopes.run('a', () => grow(10));
    expect(scopes.figures()[0]?.rssBytes).toEqual({ mean: 6.5, max: 10 });
    scopes.configure({ records: 3 });
    for (const bytes of [20, 30]) scopes.run('a', () => grow(bytes));
    expect(scopes.figures()[0]?.rssBytes).toEqual({ mean: 20, max: 30 });
    for (const label of ['b', 'a', 'c']) scopes.run(label, () => grow(1));
    expect(scopes.figures().map(({ label }) => label)).toEqual(['a', 'c']);
  });

  it('counts what grows over the limit of its label; limits can be set at run time', () => {
    const { scopes, grow } = bench();
    scopes.run('a', () => grow(100));
    scopes.configure({ growthBytes: { a: 50 } });
    scopes.run('a', () => grow(51));
    scopes.run('a', () => grow(50));
    scopes.run('b', () => grow(1000));
    expect(scopes.figures().map(({ overLimit }) => overLimit)).toEqual([1, 0]);
  });
});

describe('Cleanups', () => {
  it('runs all at shutdown, the newest first, once; an error in one does not stop the others', async () => {
    const cleanups = new Cleanups(new MemoryRegistry());
    const ran: string[] = [];
    cleanups.add((reason) => void ran.push(`a ${reason}`));
    cleanups.add(() => Promise.reject(new Error('asynchronous')));
    cleanups.add(() => {
      throw new Error('at once');
    });
    cleanups.add(async () => void ran.push('b'));
    const remove = cleanups.add(() => void ran.push('never'));
    remove();
    remove();
    expect(await cleanups.runAll()).toEqual({ ran: 4, failed: ['at once', 'asynchronous'] });
    expect(ran).toEqual(['b', 'a shutdown']);
    expect(await cleanups.runAll()).toEqual({ ran: 0, failed: [] });
  });

  it('runs those that asked for it when the registry is trimmed hard, as often as that happens', () => {
    const registry = new MemoryRegistry();
    const cleanups = new Cleanups(registry);
    const ran: string[] = [];
    cleanups.add(() => void ran.push('only at shutdown'));
    cleanups.add((reason) => ran.push(reason) && 30, { atHardLevel: true });
    cleanups.add(
      () => {
        throw new Error('no');
      },
      { atHardLevel: true },
    );
    registry.trim('soft');
    expect(ran).toEqual([]);
    expect(registry.trim('hard').freedBytes).toBe(30);
    registry.trim('hard');
    expect(ran).toEqual(['hard level', 'hard level']);
  });
});
