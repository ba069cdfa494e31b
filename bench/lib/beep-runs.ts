/** What is measured with beeps in a page. */
import WebSocket from 'ws';
import { CHUNK_SAMPLES, SAMPLE_RATE } from '../../src/units.js';
import { EventLog, until, type TestServer } from '../../test/support/server.js';
import { beeps } from './beeps.js';
import { sleep, wallMs } from './machine.js';
import { hasEnded, idle, startFrame } from './main-session.js';
import type { Watcher } from './watcher.js';

/** Sound that is heard this far from where it may be is another beep. */
const NEAR_MS = 600;
const LIVE_RATE_HZ = 16_000;
const LIVE_CHUNK_MS = 20;

/** Lips and sound of one run. */
export interface SyncRun {
  /** For each beep: heard minus its picture shown, in ms. */
  offsets: number[];
  /** The same by the browser's own account: estimated playout of sound minus that of the picture. */
  browserOffsets: number[];
}

/** Plays `count` beeps, each on the first sample of a picture, and compares when both came out. */
export async function soundAgainstPicture(server: TestServer, watcher: Watcher, count: number): Promise<SyncRun> {
  await idle(server);
  await watcher.forget();
  const events = await EventLog.open(server);
  const { pcm, starts } = beeps(count, 800, SAMPLE_RATE);
  const socket = await openSocket(server, `rate=${SAMPLE_RATE}&overflow=wait`);
  const position = events.events.length;
  const step = SAMPLE_RATE / 4;
  for (let at = 0; at < pcm.length; at += step) socket.send(bytesOf(pcm.subarray(at, at + step)));
  socket.send('{"type":"end"}');
  const first = await startFrame(events, position);
  const browserOffsets: number[] = [];
  while (!hasEnded(events, position)) {
    const { audio, video } = await watcher.inbound();
    // Sound that plays later than its picture shows an earlier time of the source.
    const offset = (video['estimatedPlayoutTimestamp'] ?? NaN) - (audio['estimatedPlayoutTimestamp'] ?? NaN);
    if (Number.isFinite(offset)) browserOffsets.push(offset);
    await sleep(250);
  }
  await sleep(NEAR_MS);
  socket.close();
  events.close();
  const heard = await watcher.beepsMs();
  const shown = new Map((await watcher.frames()).map(({ n, shownMs }) => [n, shownMs]));
  const offsets: number[] = [];
  for (const start of starts) {
    const shownMs = shown.get(first + start / CHUNK_SAMPLES);
    const heardMs = shownMs === undefined ? undefined : nearest(heard, shownMs);
    if (shownMs !== undefined && heardMs !== undefined) offsets.push(heardMs - shownMs);
  }
  return { offsets, browserOffsets };
}

/** Sends sound as it would come from a microphone; for each beep, heard minus sent, in ms. */
export async function liveToHeard(server: TestServer, watcher: Watcher, count: number): Promise<number[]> {
  await idle(server);
  await watcher.forget();
  const { pcm, starts } = beeps(count, 700, LIVE_RATE_HZ);
  const socket = await openSocket(server, `rate=${LIVE_RATE_HZ}`);
  const step = (LIVE_RATE_HZ * LIVE_CHUNK_MS) / 1000;
  const beginMs = wallMs() + 20;
  const sentMs: number[] = [];
  for (let i = 0; i * step < pcm.length; i++) {
    const dueMs = beginMs + i * LIVE_CHUNK_MS;
    if (dueMs > wallMs()) await sleep(dueMs - wallMs());
    sentMs.push(wallMs());
    socket.send(bytesOf(pcm.subarray(i * step, (i + 1) * step)));
  }
  await sleep(NEAR_MS);
  socket.close();
  const heard = await watcher.beepsMs();
  return starts.flatMap((start) => {
    const sent = sentMs[start / step]!;
    const at = heard.find((ms) => ms > sent && ms < sent + NEAR_MS);
    return at === undefined ? [] : [at - sent];
  });
}

function nearest(values: readonly number[], to: number): number | undefined {
  const best = values.toSorted((a, b) => Math.abs(a - to) - Math.abs(b - to))[0];
  return best !== undefined && Math.abs(best - to) < NEAR_MS / 2 ? best : undefined;
}

async function openSocket(server: TestServer, query: string): Promise<WebSocket> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/sessions/main/audio?${query}`);
  await until(() => socket.readyState === WebSocket.OPEN);
  return socket;
}

function bytesOf(pcm: Int16Array): Uint8Array {
  return new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
}
