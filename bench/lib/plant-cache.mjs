// A cache that grows for ever and gives back what it is asked for, planted into the stage process of a real server:
// NODE_OPTIONS="--import <this file>" and in the environment PLANT_CACHE_START, a file that says
// {"mbPerS": 64, "softBytes": …} once it shall grow, and PLANT_CACHE_REPORT, the file that gets the figures. A start file
// that says {"holdBytes": …} plants memory that nobody can trim, until the file is removed.
import { Buffer } from 'node:buffer';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { clearInterval, setInterval } from 'node:timers';
import { isMainThread } from 'node:worker_threads';

const { PLANT_CACHE_START: start, PLANT_CACHE_REPORT: report } = process.env;
const script = process.argv[1]?.replaceAll('\\', '/') ?? '';
const TICK_MS = 25;
const WAIT_MS = 100;
/** Large buffers are mapped one by one, so a collected one goes back to the system at once. */
const PIECE_BYTES = 256 * 1024;

if (isMainThread && start !== undefined && report !== undefined && script.endsWith('/stage/main.js')) {
  const waiting = setInterval(() => {
    if (!existsSync(start)) return;
    clearInterval(waiting);
    const wanted = JSON.parse(readFileSync(start, 'utf8'));
    if (wanted.holdBytes === undefined) void grow(wanted);
    else hold(wanted);
  }, WAIT_MS);
  waiting.unref();
}

function hold({ holdBytes }) {
  let pieces = [];
  while (pieces.length * PIECE_BYTES < holdBytes) pieces.push(Buffer.alloc(PIECE_BYTES, 1));
  const waiting = setInterval(() => {
    if (existsSync(start)) return;
    clearInterval(waiting);
    pieces = [];
    globalThis.gc?.();
  }, WAIT_MS);
}

async function grow({ mbPerS, softBytes }) {
  const { memoryRegistry } = await import('../../dist/guard/memory-registry.js');
  let pieces = [];
  let crossedAt = null;
  const figures = { peakBytes: 0, plantedBytes: 0, trims: 0, ladderMs: [] };
  // In the plant's own variables: the registry holds its users weakly.
  grow.user = {
    name: 'planted cache',
    owner: 'bench',
    kind: 'cache',
    figures: () => ({
      bytes: pieces.length * PIECE_BYTES,
      items: pieces.length,
      ...{ limitBytes: null, hits: 0, misses: 0, evictions: 0 },
    }),
    trim: (level) => {
      if (crossedAt !== null) figures.ladderMs.push(performance.now() - crossedAt);
      crossedAt = null;
      figures.trims += 1;
      const keep = level === 'hard' ? 0 : Math.floor(pieces.length / 2);
      const freed = pieces.length - keep;
      pieces = keep === 0 ? [] : pieces.slice(-keep);
      return freed * PIECE_BYTES;
    },
  };
  memoryRegistry.register(grow.user);
  let below = true;
  let lastAt = performance.now();
  let owedBytes = 0;
  setInterval(() => {
    const now = performance.now();
    owedBytes += ((now - lastAt) / 1000) * mbPerS * 1e6;
    lastAt = now;
    for (; owedBytes >= PIECE_BYTES; owedBytes -= PIECE_BYTES) {
      pieces.push(Buffer.alloc(PIECE_BYTES, 1));
      figures.plantedBytes += PIECE_BYTES;
    }
    const rss = process.memoryUsage.rss();
    figures.peakBytes = Math.max(figures.peakBytes, rss);
    // From below to above: the ladder owes an answer. Above it stays until it was below once more.
    if (rss < softBytes) below = true;
    else if (below) {
      below = false;
      crossedAt ??= now;
    }
  }, TICK_MS).unref();
  setInterval(() => {
    writeFileSync(`${report}.new`, JSON.stringify(figures));
    renameSync(`${report}.new`, report);
  }, 1000).unref();
}
