/**
 * Environment for the server's processes on glibc, which reads it when a process starts: few arenas, and large buffers
 * that are freed go back to the system at once. Elsewhere it does nothing.
 */
export const MALLOC_ENV = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/**
 * Flag of Node for all processes: what they make lives either for milliseconds or for long, and with a young generation
 * of 2 MB instead of 16 control and stages were about 17 MB smaller each.
 */
export const YOUNG_HEAP_FLAG = '--max-semi-space-size=2';

/** Flags of Node for control and stages; the first lets the guard collect garbage when memory is short. */
export const HEAP_FLAGS = ['--expose-gc', YOUNG_HEAP_FLAG] as const;
