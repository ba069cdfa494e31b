import { expect, it } from 'vitest';
import { readAhead } from '../../src/speech/read-ahead.js';

function source(count: number, log: string[]): AsyncIterable<number> {
  return (async function* () {
    try {
      for (let i = 0; i < count; i += 1) {
        log.push(`make ${i}`);
        yield i;
      }
    } finally {
      log.push('end');
    }
  })();
}

it('stays exactly one item ahead of the reader', async () => {
  const log: string[] = [];
  const reader = readAhead(source(5, log), new AbortController().signal);
  expect(log).toEqual([]);
  await reader.next();
  expect(log).toEqual(['make 0', 'make 1']);
  await reader.next();
  expect(log).toEqual(['make 0', 'make 1', 'make 2']);
  await reader.return();
});

it('reads everything in order and ends', async () => {
  const items: number[] = [];
  for await (const item of readAhead(source(4, []), new AbortController().signal)) items.push(item);
  expect(items).toEqual([0, 1, 2, 3]);
});

it('ends at once when aborted, even while the source hangs', async () => {
  const abort = new AbortController();
  const hanging = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<number>>(() => {}) }) };
  const pending = readAhead(hanging, abort.signal).next();
  abort.abort();
  expect(await pending).toEqual({ done: true, value: undefined });
});

it('throws a failure when its turn comes', async () => {
  const failing = (async function* () {
    yield 1;
    throw new Error('broken');
  })();
  const reader = readAhead(failing, new AbortController().signal);
  expect((await reader.next()).value).toBe(1);
  await expect(reader.next()).rejects.toThrow('broken');
});
