/** What is measured on the wire, without a browser. */
import { until, type TestServer } from '../../test/support/server.js';
import { sleep, wallMs } from './machine.js';
import { idle, interrupt, say } from './main-session.js';
import { ANSWERS, STORIES } from './sentences.js';
import { SPEECH_RMS, type WireViewer } from './wire-viewer.js';

/** So long after an interruption nothing may come any more, in ms. */
const QUIET_MS = 600;

/** From `say` to the first packet with speech, in ms, for each answer. */
export async function sayToSound(server: TestServer, wire: WireViewer): Promise<number[]> {
  const waits: number[] = [];
  for (const text of ANSWERS) {
    await idle(server);
    await sleep(100 + (waits.length % 4) * 11); // any place in the 40 ms of a frame
    wire.packets.length = 0;
    const beginMs = wallMs();
    await say(server, text);
    const first = await until(() => wire.packets.find(({ rms }) => rms > SPEECH_RMS));
    waits.push((first?.atMs ?? Number.NaN) - beginMs);
    await interrupt(server);
  }
  await idle(server);
  return waits;
}

/** From `interrupt` to the last packet with speech, in ms; in the midst of a sentence, `count` times. */
export async function interruptToSilence(server: TestServer, wire: WireViewer, count: number): Promise<number[]> {
  const waits: number[] = [];
  for (let i = 0; i < count; i++) {
    await idle(server);
    wire.packets.length = 0;
    const text = `Story number ${i + 1}. ${STORIES[i % STORIES.length]}`;
    await say(server, text);
    await until(() => wire.packets.filter(({ rms }) => rms > SPEECH_RMS).length > 60 + i * 7);
    // Not in a pause: the last packet before would look like a fast end.
    await until(() => wire.packets.length > 5 && wire.packets.slice(-5).every(({ rms }) => rms > 5 * SPEECH_RMS));
    const beginMs = wallMs();
    await interrupt(server);
    await sleep(QUIET_MS);
    const last = wire.packets.findLast(({ rms }) => rms > SPEECH_RMS);
    waits.push((last?.atMs ?? Number.NaN) - beginMs);
  }
  return waits;
}
