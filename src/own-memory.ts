/**
 * The memory of this process. Node reads it from a file, which fails when the process may open no more of them; then
 * the figures are those of the time before, since who measures is in a timer that must not end the process.
 */
export function ownMemory(): NodeJS.MemoryUsage {
  try {
    last = process.memoryUsage();
  } catch {
    // As they were.
  }
  return last;
}

/** As `ownMemory`, of the resident memory alone, which is faster. */
export function ownRssBytes(): number {
  try {
    last = { ...last, rss: process.memoryUsage.rss() };
  } catch {
    // As it was.
  }
  return last.rss;
}

let last: NodeJS.MemoryUsage = { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 };
