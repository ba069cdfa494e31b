import { LoopDelay } from '../guard/loop-delay.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import { MemoryWatchdog } from '../guard/memory-watchdog.js';
import { youngGeneration } from '../guard/young-generation.js';
import { endWithParent } from '../rpc/parent.js';
import { openRpc, type MessagePort } from '../rpc/process-rpc.js';
import { holdMediaPort } from '../stream/media-port.js';
import { StageOptionsSchema } from './options.js';
import type { StageApi, StageEvents } from './protocol.js';
import { Stage } from './stage.js';
import { warmUpLibraries } from './warm-up.js';
import { ownRssBytes } from '../own-memory.js';

/** Entry of the stage process. It lives as long as control does: without the channel it ends. */

const HEARTBEAT_INTERVAL = 200;

const options = StageOptionsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
// Ctrl+C in a terminal reaches the whole group: control decides when a stage stops.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// Not `process.exit`: it waits for native handles, and once was seen to wait for ever.
endWithParent(() => process.kill(process.pid, 'SIGKILL'));

const watchdog: MemoryWatchdog = new MemoryWatchdog({
  process: 'stage',
  registry: memoryRegistry,
  settings: options.memory,
  actions: {
    lowerIdleQuality: (on) => stage.relief.lowerIdleQuality(on),
    refuse: (on) => stage.relief.refuse(on),
    endHeaviest: () => stage.relief.endHeaviest(),
    restart: () => {
      void events.overMemory.asEvent(ownRssBytes());
    },
  },
  clock: () => performance.now(),
  rss: ownRssBytes,
  gc: globalThis.gc && (() => void globalThis.gc?.()),
  onEvent: (event) => void events.guard.asEvent(event),
});
const loopDelay = new LoopDelay();
// A timer runs between two ticks of a session, never in the middle of a frame.
const watchMemory = (intervalMs: number): NodeJS.Timeout => setInterval(() => watchdog.check(), intervalMs);
let memoryWatch = watchMemory(options.memory.checkIntervalMs);

const stage: Stage = new Stage(
  options,
  {
    heartbeat: (beat) => void events.heartbeat.asEvent(beat),
    utteranceStarted: (...args) => void events.utteranceStarted.asEvent(...args),
    utterancePlayed: (...args) => void events.utterancePlayed.asEvent(...args),
    utteranceEnded: (...args) => void events.utteranceEnded.asEvent(...args),
    viewersChanged: (...args) => void events.viewersChanged.asEvent(...args),
    warning: (...args) => void events.warning.asEvent(...args),
    sessionEnded: (...args) => void events.sessionEnded.asEvent(...args),
    guard: (event) => void events.guard.asEvent(event),
    overMemory: (...args) => void events.overMemory.asEvent(...args),
  },
  {
    guardState: () => watchdog.state(),
    configureMemory: (memory) => {
      watchdog.configure(memory);
      clearInterval(memoryWatch);
      memoryWatch = watchMemory(memory.checkIntervalMs);
    },
    trim: (level) => watchdog.trim(level),
    loopDelay: () => loopDelay.read(),
    onShutdown: () => {
      clearInterval(heart);
      clearInterval(memoryWatch);
      // After the answer has left. `process.exit` does not run native destructors, which is what is wanted here.
      setTimeout(() => process.exit(0), 20);
    },
  },
);
memoryRegistry.register(youngGeneration);
warmUpLibraries();
const events = openRpc<StageEvents, StageApi>(process as MessagePort, stage.api);
const heart = setInterval(() => void events.heartbeat.asEvent(stage.heartbeat()), HEARTBEAT_INTERVAL);
watchdog.markBase();
holdMediaPort(options.mediaPort, options.bindAddress).then(
  () => void events.ready.asEvent(),
  (error: unknown) => {
    void events.failed.asEvent(error instanceof Error ? error.message : String(error));
    setTimeout(() => process.exit(1), 20);
  },
);
