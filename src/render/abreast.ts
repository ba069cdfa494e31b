import PQueue from 'p-queue';

/**
 * Does something with each item, `most` at a time. The first failure stops the rest through `stop`, whose abort shows in
 * `signal`; it is thrown when all that had begun is over. Throws the signal's reason when it was aborted.
 */
export async function eachAbreast<T>(
  items: readonly T[],
  most: number,
  { stop, signal }: { stop: AbortController; signal: AbortSignal },
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = new PQueue({ concurrency: most });
  let failure: { error: unknown } | null = null;
  for (const [index, item] of items.entries()) {
    await queue.onSizeLessThan(most);
    if (failure || signal.aborted) break;
    void queue.add(async () => {
      try {
        if (!failure) await work(item, index);
      } catch (error) {
        failure ??= { error };
        stop.abort(error);
      }
    });
  }
  await queue.onIdle();
  if (failure) throw (failure as { error: unknown }).error;
  signal.throwIfAborted();
}
