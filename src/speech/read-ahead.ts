/**
 * Asks a source for its next item while the reader still has the present one: exactly one item ahead, so the reader's
 * pace bounds the memory. When the signal is aborted, or the reader stops, the sequence ends at once and what was ahead is
 * thrown away; the source is told by `return()`.
 */
export async function* readAhead<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  if (signal.aborted) return;
  const iterator = source[Symbol.asyncIterator]();
  let stop: () => void = () => {};
  const aborted = new Promise<{ done: true; value: undefined }>((resolve) => {
    stop = () => resolve({ done: true, value: undefined });
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    let ahead = ask(iterator);
    for (;;) {
      const result = await Promise.race([ahead, aborted]);
      if (result.done === true || signal.aborted) return;
      ahead = ask(iterator);
      yield result.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    iterator.return?.()?.catch(() => {});
  }
}

/** A failure is thrown when its turn comes, and must not count as unhandled before. */
function ask<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T, unknown>> {
  const result = iterator.next();
  result.catch(() => {});
  return result;
}
