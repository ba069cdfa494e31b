import type { GuardState } from '../guard/guard-state.js';
import { LoopDelay } from '../guard/loop-delay.js';
import { MemoryGuard } from '../guard/memory-guard.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import { endWithParent } from '../rpc/end-with-parent.js';
import { openRpc, type MessagePort } from '../rpc/process-rpc.js';
import { StageOptionsSchema } from './options.js';
import type { StageApi, StageEvents } from './protocol.js';
import { Stage } from './stage.js';

/** Entry of the stage process. It lives as long as control does: without the channel it ends. */

const HEARTBEAT_INTERVAL = 200;

const options = StageOptionsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
// Ctrl+C in a terminal reaches the whole group: control decides when a stage stops.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// Not `process.exit`: it waits for native handles, and once was seen to wait for ever.
endWithParent(() => process.kill(process.pid, 'SIGKILL'));

const { checkIntervalMs, ...limits } = options.memory;
let guard = new MemoryGuard(limits);
const loopDelay = new LoopDelay();
// A timer runs between two ticks of a session, never in the middle of a frame.
const memoryWatch = setInterval(() => {
  const action = guard.check(process.memoryUsage.rss(), performance.now());
  if (action === 'collect') globalThis.gc?.();
  else if (action === 'replace') void events.overMemory.asEvent(process.memoryUsage.rss());
}, checkIntervalMs);

const stage = new Stage(
  options,
  {
    ready: () => void events.ready.asEvent(),
    heartbeat: (beat) => void events.heartbeat.asEvent(beat),
    utteranceStarted: (...args) => void events.utteranceStarted.asEvent(...args),
    utteranceEnded: (...args) => void events.utteranceEnded.asEvent(...args),
    viewersChanged: (...args) => void events.viewersChanged.asEvent(...args),
    warning: (...args) => void events.warning.asEvent(...args),
    guard: (event) => void events.guard.asEvent(event),
    overMemory: (...args) => void events.overMemory.asEvent(...args),
  },
  {
    guardState,
    configureMemory: (memory) => (guard = new MemoryGuard(memory)),
    trim: (level) => {
      const report = memoryRegistry.trim(level);
      globalThis.gc?.();
      return report;
    },
    loopDelay: () => loopDelay.read(),
    onShutdown: () => {
      clearInterval(heart);
      clearInterval(memoryWatch);
      // After the answer has left. `process.exit` does not run native destructors, which is what is wanted here.
      setTimeout(() => process.exit(0), 20);
    },
  },
);
const events = openRpc<StageEvents, StageApi>(process as MessagePort, stage.api);
const heart = setInterval(() => void events.heartbeat.asEvent(stage.heartbeat()), HEARTBEAT_INTERVAL);
const baseBytes = process.memoryUsage.rss();
let peakBytes = baseBytes;
void events.ready.asEvent();

function guardState(): GuardState {
  const rssBytes = process.memoryUsage.rss();
  peakBytes = Math.max(peakBytes, rssBytes);
  const { limitBytes } = guard;
  const entries = memoryRegistry.entries();
  const accountedBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const unaccountedBytes = rssBytes - baseBytes - accountedBytes;
  const level = rssBytes < 0.8 * limitBytes ? 'normal' : rssBytes < 0.95 * limitBytes ? 'soft' : 'hard';
  return {
    ...{ level, step: null, rssBytes, limitBytes, peakBytes, baseBytes },
    ...{ accountedBytes, unaccountedBytes, collections: 0, entries },
  };
}
