import { MemoryGuard } from '../guard/memory-guard.js';
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

const { limitBytes, gcIntervalS, checkIntervalMs } = options.memory;
const guard = new MemoryGuard({ limitBytes, gcIntervalS });
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
    overMemory: (...args) => void events.overMemory.asEvent(...args),
  },
  () => {
    clearInterval(heart);
    clearInterval(memoryWatch);
    // After the answer has left. `process.exit` does not run native destructors, which is what is wanted here.
    setTimeout(() => process.exit(0), 20);
  },
);
const events = openRpc<StageEvents, StageApi>(process as MessagePort, stage.api);
const heart = setInterval(() => void events.heartbeat.asEvent(stage.heartbeat()), HEARTBEAT_INTERVAL);
void events.ready.asEvent();
