import { getHeapSpaceStatistics } from 'node:v8';
import type { MemoryUser } from './memory-registry.js';

/**
 * V8's space for new objects: it grows with the pace of allocation, not with what is kept, up to a limit of its own.
 * Registered, so that it is not taken for memory that nobody explains; what survives in the old space still is.
 */
export const youngGeneration: MemoryUser = {
  ...{ name: 'young objects', owner: 'JavaScript', kind: 'pool' },
  figures: () => ({
    bytes: getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.physical_space_size ?? 0,
    limitBytes: null,
    ...{ items: 0, hits: 0, misses: 0, evictions: 0 },
  }),
};
