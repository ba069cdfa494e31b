/**
 * Environment for the server's processes on glibc, which reads it when a process starts: few arenas, and large buffers
 * that are freed go back to the system at once. Elsewhere it does nothing.
 */
export const MALLOC_ENV = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
};
