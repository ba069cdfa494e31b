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
process.on('disconnect', () => process.exit(0));

const stage = new Stage(
  options,
  {
    ready: () => void events.ready.asEvent(),
    heartbeat: (beat) => void events.heartbeat.asEvent(beat),
    utteranceStarted: (...args) => void events.utteranceStarted.asEvent(...args),
    utteranceEnded: (...args) => void events.utteranceEnded.asEvent(...args),
    viewersChanged: (...args) => void events.viewersChanged.asEvent(...args),
    warning: (...args) => void events.warning.asEvent(...args),
  },
  () => {
    clearInterval(heart);
    // After the answer has left. `process.exit` does not run native destructors, which is what is wanted here.
    setTimeout(() => process.exit(0), 20);
  },
);
const events = openRpc<StageEvents, StageApi>(process as MessagePort, stage.api);
const heart = setInterval(() => void events.heartbeat.asEvent(stage.heartbeat()), HEARTBEAT_INTERVAL);
void events.ready.asEvent();
