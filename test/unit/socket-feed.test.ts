import { EventEmitter } from 'node:events';
import { beforeEach, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { SocketFeed } from '../../src/server/socket-feed.js';
import type { Session } from '../../src/server/session.js';
import type { Utterance } from '../../src/server/utterance.js';

class FakeClient {
  isPaused = false;
  bufferedAmount = 0;
  pause = (): void => void (this.isPaused = true);
  resume = (): void => void (this.isPaused = false);
}

class FakeSession extends EventEmitter {
  places = 1;
  ended = false;
  utterances: Utterance[] = [];
  warnings: string[] = [];
  interrupts = 0;
  get hasPlace(): boolean {
    return this.places > 0;
  }
  enqueue(utterance: Utterance): void {
    this.places -= 1;
    this.utterances.push(utterance);
  }
  interrupt = async (): Promise<void> => void (this.interrupts += 1);
  warn = (code: string, message: string): void => void this.warnings.push(`${code}: ${message}`);
  /** One that waited begins to speak. */
  next(): void {
    this.places += 1;
    this.emit('event', 'utterance.started', {});
  }
}

let client: FakeClient;
let session: FakeSession;
const feed = (live: boolean): SocketFeed =>
  new SocketFeed(client as unknown as WebSocket, session as unknown as Session, 1000, live);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  client = new FakeClient();
  session = new FakeSession();
});

test('a source that waits is paused until the session has a place for its utterance', async () => {
  session.places = 0;
  const source = feed(false);
  for (let i = 0; i < 200; i++) source.sound(Buffer.alloc(20)); // what had arrived before it was paused
  source.command('{"type":"end"}');
  expect([client.isPaused, session.utterances.length]).toEqual([true, 0]);
  session.next();
  expect([client.isPaused, session.utterances.length]).toEqual([false, 1]);
  expect((await session.utterances[0]!.from(0))?.pcm).toHaveLength(500);
});

test('it is paused while much of its sound waits, and goes on when that is interrupted', () => {
  const source = feed(false);
  source.sound(Buffer.alloc(4002));
  expect(client.isPaused).toBe(true);
  session.utterances[0]!.close();
  expect(client.isPaused).toBe(false);
  source.sound(Buffer.alloc(2)); // a new utterance
  session.next();
  expect(session.utterances).toHaveLength(2);
});

test('of a client that leaves, what has a place is said; what had none is not kept, and that is reported', async () => {
  const source = feed(false);
  source.sound(Buffer.alloc(20));
  source.command('{"type":"end"}');
  source.sound(Buffer.alloc(20));
  source.close();
  source.close();
  expect(session.warnings).toEqual([expect.stringMatching(/^queue_full: .*1 of its utterances/)]);
  session.next();
  expect([session.utterances.length, session.listenerCount('event')]).toEqual([1, 0]);
  expect((await session.utterances[0]!.from(0))?.pcm).toHaveLength(10);
});

test('a live client that begins and ends without a pause is read no faster than its session can follow', async () => {
  let done!: () => void;
  session.interrupt = () => new Promise((resolve) => (done = resolve));
  const source = feed(true);
  source.sound(Buffer.alloc(20));
  expect(client.isPaused).toBe(true);
  source.command('{"type":"end"}');
  expect(client.isPaused).toBe(true);
  done();
  await turn();
  expect([client.isPaused, session.utterances.length]).toEqual([false, 1]);
  source.close();
});

test('live sound interrupts, and what of it is lost is reported once a second', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const source = feed(true);
    for (let i = 0; i < 4; i++) source.sound(Buffer.alloc(2000));
    await turn();
    expect([session.interrupts, session.utterances.length, client.isPaused]).toEqual([1, 1, false]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(session.warnings).toEqual([expect.stringMatching(/^audio_dropped: 2000 ms/)]);
    source.close();
  } finally {
    vi.useRealTimers();
  }
});
