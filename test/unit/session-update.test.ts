import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProfileSchema } from '../../src/config/schema.js';
import { DhError } from '../../src/errors.js';
import { Session, type SessionOptions } from '../../src/server/session.js';
import type { StageProcess } from '../../src/server/stage-process.js';

/** A stage that notes what it is asked, and answers when it is told to. */
class FakeStage extends EventEmitter {
  ready = true;
  calls: [name: string, ...args: unknown[]][] = [];
  answer: () => Promise<unknown> = async () => ({ idr: false });
  opening: () => Promise<void> = async () => undefined;
  api = {
    openSession: async (spec: unknown) => {
      this.calls.push(['open', spec]);
      await this.opening();
    },
    closeSession: async (id: string) => void this.calls.push(['close', id]),
    updateSession: async (...args: unknown[]) => {
      this.calls.push(['update', ...args]);
      return this.answer();
    },
  };
}

const profile = ProfileSchema.parse({});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let stage: FakeStage;
let session: Session;
let bake: () => Promise<string>;
let told: unknown[][];

beforeEach(async () => {
  stage = new FakeStage();
  told = [];
  bake = async () => '/baked/anew';
  const options: SessionOptions = {
    ...{ id: 's', avatar: 'a', preset: 'default', voice: undefined, profile, followsServer: false },
    ...{ maxViewers: 5, maxPendingUtterances: 3, bakedPath: Promise.resolve('/baked/1') },
    bake: () => bake(),
  };
  session = new Session(options, stage as unknown as StageProcess);
  session.on('event', (...event) => told.push(event));
  session.on('closed', () => told.push(['closed']));
  await turn();
});
afterEach(() => session.close());

test('an update reaches the stage, and is what a replaced stage opens', async () => {
  stage.answer = async () => ({ idr: true });
  const wide = { ...profile, width: 640, height: 360 };
  await expect(session.update(() => ({ profile: wide, bakedPath: Promise.resolve('/baked/2') }))).resolves.toEqual({
    idr: true,
  });
  expect(stage.calls.at(-1)).toEqual(['update', 's', wide, '/baked/2', 5]);
  stage.emit('down', 'gone');
  stage.emit('up');
  await turn();
  expect(stage.calls.at(-1)).toEqual(['open', { id: 's', profile: wide, maxViewers: 5, bakedPath: '/baked/2' }]);
});

test('updates wait for each other, and each sees what the one before has made', async () => {
  let finish!: () => void;
  stage.answer = () => new Promise((resolve) => (finish = () => resolve({ idr: false })));
  const first = session.update(({ profile: now }) => ({ profile: { ...now, maxQueueSize: 7 } }));
  const second = session.update(({ profile: now }) => ({ profile: { ...now, bitrateKbps: 900 } }));
  await turn();
  expect(stage.calls.filter(([name]) => name === 'update')).toHaveLength(1);
  finish();
  await first;
  await turn();
  finish();
  await second;
  expect(session.options.profile).toMatchObject({ maxQueueSize: 7, bitrateKbps: 900 });
});

test('those that wait are counted, and end with their session before anything is drawn for them', async () => {
  let baked!: (path: string) => void;
  const bakedPath = new Promise<string>((resolve) => (baked = resolve));
  const first = session.update(() => ({ bakedPath }));
  const plan = vi.fn(() => ({ maxViewers: 1 }));
  const second = session.update(plan);
  await turn();
  expect(session.waitingChanges).toBe(1);
  await session.close();
  baked('/baked/late');
  await expect(first).rejects.toMatchObject({ code: 'session_not_found' });
  await expect(second).rejects.toMatchObject({ code: 'session_not_found' });
  expect(plan).not.toHaveBeenCalled();
  expect(session.waitingChanges).toBe(0);
});

test('one that is refused, or whose avatar cannot be drawn, leaves everything as it was', async () => {
  stage.answer = async () => {
    throw new DhError('avatar_invalid', 'damaged');
  };
  await expect(session.update(() => ({ maxViewers: 9 }))).rejects.toMatchObject({ code: 'avatar_invalid' });
  const undrawn = session.update(() => ({ bakedPath: Promise.reject(new DhError('avatar_not_found', 'none')) }));
  await expect(undrawn).rejects.toMatchObject({ code: 'avatar_not_found' });
  expect(session.options).toMatchObject({ maxViewers: 5, profile });
  stage.answer = async () => ({ idr: false });
  await session.update(() => ({ maxViewers: 2 }));
  expect(session.options.maxViewers).toBe(2);
});

test('while the stage is away it is kept for the next one, also when the stage goes in the middle of it', async () => {
  stage.emit('down', 'gone');
  await session.update(() => ({ maxViewers: 7 }));
  stage.emit('up');
  await turn();
  expect(stage.calls.at(-1)).toMatchObject(['open', { maxViewers: 7 }]);
  stage.answer = async () => {
    throw new DhError('stage_unavailable', 'gone');
  };
  await session.update(() => ({ maxViewers: 8 }));
  expect(session.options.maxViewers).toBe(8);
});

test('a session that its stage ended is closed for good, and everybody is told', async () => {
  stage.emit('sessionEnded', 'other', 'memory_pressure', 'no');
  expect(told).toEqual([['state', { state: 'idle' }]]);
  stage.emit('sessionEnded', 's', 'memory_pressure', 'too much');
  await turn();
  expect(told.slice(1)).toEqual([['warning', { code: 'memory_pressure', message: 'too much' }], ['closed']]);
  stage.emit('up');
  await turn();
  expect(stage.calls.filter(([name]) => name === 'open')).toHaveLength(1);
  expect(stage.calls.filter(([name]) => name === 'close')).toHaveLength(0);
  await expect(session.update(() => ({}))).rejects.toMatchObject({ code: 'session_not_found' });
});

test('one that its stage refuses says why, and is opened with an avatar that is baked anew as soon as that can be', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    stage.opening = async () => {
      throw new DhError('avatar_invalid', 'The baked avatar cannot be read.');
    };
    bake = async () => {
      throw new DhError('avatar_invalid', 'The package is damaged.');
    };
    stage.emit('down', 'gone');
    stage.emit('up');
    await turn();
    expect([session.state, session.refusal?.message]).toEqual(['down', 'The baked avatar cannot be read.']);
    for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      await vi.advanceTimersByTimeAsync(wait - 1);
      const asked = session.refusal;
      await vi.advanceTimersByTimeAsync(1);
      await turn();
      expect(session.refusal).not.toBe(asked); // it has tried
    }
    expect(session.refusal?.message).toBe('The package is damaged.');
    expect(told.filter(([name]) => name === 'warning')).toHaveLength(2); // once for each reason
    stage.opening = async () => undefined;
    bake = async () => '/baked/anew';
    await vi.advanceTimersByTimeAsync(30_000);
    await turn();
    expect([session.state, session.refusal]).toEqual(['idle', null]);
    expect(stage.calls.at(-1)).toMatchObject(['open', { bakedPath: '/baked/anew' }]);
  } finally {
    vi.useRealTimers();
  }
});

test('a change does not wait for the avatar with which the session is to be opened', async () => {
  let baked!: (path: string) => void;
  const bakedPath = new Promise<string>((resolve) => (baked = resolve));
  const waiting = new Session({ ...session.options, id: 'w', bakedPath }, stage as unknown as StageProcess);
  await waiting.update(() => ({ maxViewers: 9 }));
  const small = { ...profile, width: 640, height: 360 };
  await waiting.update(() => ({ profile: small, bakedPath: Promise.resolve('/baked/small') }));
  baked('/baked/too-late');
  await turn();
  const opened = stage.calls.filter(([name, spec]) => name === 'open' && (spec as { id: string }).id === 'w');
  expect(opened).toEqual([['open', { id: 'w', profile: small, maxViewers: 9, bakedPath: '/baked/small' }]]);
  await waiting.close();
});

test('a session can be closed while its stage is being replaced', async () => {
  stage.ready = false;
  await session.close();
  expect(told.at(-1)).toEqual(['closed']);
  expect(stage.calls.filter(([name]) => name === 'close')).toHaveLength(0);
});
