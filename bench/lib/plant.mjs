// A planted leak, for tests of what ought to find one: NODE_OPTIONS="--import <this file>" and in the environment
// PLANT=leak|cache (memory outside of the heap, or objects in it), PLANT_PROCESS=stage|control, PLANT_MB_PER_MIN=20.
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { setInterval } from 'node:timers';
import { isMainThread } from 'node:worker_threads';

const { PLANT, PLANT_PROCESS = 'stage', PLANT_MB_PER_MIN = '20' } = process.env;
const script = process.argv[1]?.replaceAll('\\', '/') ?? '';
const here = script.endsWith('/stage/main.js') ? 'stage' : script.endsWith('/cli.js') ? 'control' : 'other';
const STEP_MS = 250;

if (isMainThread && PLANT !== undefined && here === PLANT_PROCESS) {
  const bytesPerStep = (Number(PLANT_MB_PER_MIN) * 1e6 * STEP_MS) / 60_000;
  const held = [];
  const grow = {
    leak: () => held.push(Buffer.alloc(bytesPerStep, 1)),
    // An entry that nobody evicts: 1 KB of numbers that are no small integers, under a new name each time.
    cache: () => {
      for (let bytes = 0; bytes < bytesPerStep; bytes += 1024) held.push(Array.from({ length: 120 }, Math.random));
    },
  }[PLANT];
  if (grow === undefined) throw new Error(`PLANT=${PLANT}: it is leak or cache`);
  setInterval(grow, STEP_MS).unref();
}
