import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bakeAvatar } from '../../src/avatar/bake.js';
import { ProfileSchema, type SessionProfile } from '../../src/config/schema.js';
import { memoryRegistry } from '../../src/guard/memory-registry.js';
import type { SessionSpec } from '../../src/stage/protocol.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';
import { Stage } from '../../src/stage/stage.js';
import { LiveOpus } from '../../src/stream/encoders/live-opus.js';
import { freeUdpPort } from '../support/free-port.js';
import { RawViewer } from '../support/raw-viewer.js';
import { tone, until } from '../support/server.js';
import { syntheticAvatar } from '../support/synthetic-avatar.js';

const small = ProfileSchema.parse({ width: 320, height: 180 });
const large = ProfileSchema.parse({ width: 640, height: 360 });

let dir: string;
let port: number;
const paths = new Map<SessionProfile, string>();
let other: string;
let stage: Stage;
let told: unknown[][];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dh-stage-'));
  const bake = async (profile: SessionProfile, name: string): Promise<string> => {
    const { width, height } = profile;
    const source = syntheticAvatar({ name, fingerprint: name });
    const { blob } = await bakeAvatar(source, { width, height, cacheDir: join(dir, name) });
    const path = join(dir, `${name}-${width}`);
    await writeFile(path, blob);
    return path;
  };
  for (const profile of [small, large]) paths.set(profile, await bake(profile, 'one'));
  other = await bake(small, 'two');
  port = await freeUdpPort();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

beforeEach(() => {
  told = [];
  const tell =
    (name: string) =>
    (...args: unknown[]): void =>
      void told.push([name, ...args]);
  stage = new Stage(
    {
      ...{ mediaPort: port, bindAddress: '127.0.0.1', debugTimecode: false },
      memory: {
        ...{ limitBytes: 1e9, gcIntervalS: 30, checkIntervalMs: 250, softShare: 0.8, softRelease: 0.7 },
        ...{ hardShare: 0.95, hardRelease: 0.85, cooldownMs: 1000, imageCacheBytes: 50e6 },
      },
    },
    {
      ...{ ready: tell('ready'), heartbeat: tell('heartbeat'), utteranceStarted: tell('utteranceStarted') },
      ...{ utterancePlayed: tell('utterancePlayed'), utteranceEnded: tell('utteranceEnded') },
      ...{ viewersChanged: tell('viewersChanged'), warning: tell('warning') },
      ...{ sessionEnded: tell('sessionEnded'), guard: tell('guard'), overMemory: tell('overMemory') },
    },
    {
      guardState: () => ({
        ...{ level: 'normal', step: null, rssBytes: 0, limitBytes: 0, peakBytes: 0, baseBytes: 0 },
        ...{ accountedBytes: 0, unaccountedBytes: 0, collections: 0, entries: [], scopes: [] },
      }),
      configureMemory: () => undefined,
      trim: (level) => memoryRegistry.trim(level),
      loopDelay: () => ({ p50: 0, p99: 0, max: 0 }),
      onShutdown: () => undefined,
    },
  );
});
afterEach(async () => {
  const { framesOutstanding, chunksOutstanding } = await stage.api.shutdown();
  expect([framesOutstanding, chunksOutstanding]).toEqual([0, 0]);
  expect(memoryRegistry.entries().filter(({ owner }) => owner.startsWith('session '))).toEqual([]);
});

function spec(id: string, profile: SessionProfile): SessionSpec {
  return { id, profile, bakedPath: paths.get(profile)!, maxViewers: 3 };
}

function heldBy(id: string): Map<string, number> {
  const entries = memoryRegistry.entries().filter(({ owner }) => owner === `session ${id}`);
  return new Map(entries.map(({ name, bytes }) => [name, bytes]));
}

function avatars(): { bytes: number; items: number } {
  const { bytes, items } = memoryRegistry.entries().find(({ name }) => name === 'drawn avatars')!;
  return { bytes, items };
}

describe('a change of size', () => {
  it('replaces what depends on it in the middle of an utterance, and frees the old', async () => {
    await stage.api.openSession(spec('a', small));
    const before = heldBy('a');
    await stage.api.beginUtterance('a', { id: 'u', overflow: 'wait', startSample: 0, playedSamples: 0 });
    const pcm = tone(1, 48_000);
    const sound = { sampleRateHz: 48_000, cues: null };
    await stage.api.pushSound('a', 'u', { ...sound, pcm: pcm.slice(0, 24_000), startSample: 0, endSample: 24_000 });
    await until(() => told.some(([name]) => name === 'utteranceStarted'));
    await expect(stage.api.updateSession('a', large, paths.get(large)!, 3)).resolves.toEqual({ idr: true });
    await stage.api.pushSound('a', 'u', { ...sound, pcm: pcm.slice(24_000), startSample: 24_000, endSample: 48_000 });
    await stage.api.endUtterance('a', 'u');
    await until(() => told.some(([name]) => name === 'utteranceEnded'));
    expect(told.find(([name]) => name === 'utteranceEnded')).toEqual(['utteranceEnded', 'a', 'u', 1000]);
    const after = heldBy('a');
    expect(after.get('frame pool')! / before.get('frame pool')!).toBeGreaterThan(3);
    await expect(stage.api.updateSession('a', small, paths.get(small)!, 3)).resolves.toEqual({ idr: true });
    expect(heldBy('a')).toEqual(before);
  });

  it('that cannot be had changes nothing, and the next one is taken', async () => {
    await stage.api.openSession(spec('a', small));
    const before = heldBy('a');
    const missing = stage.api.updateSession('a', { ...large, maxQueueSize: 9 }, join(dir, 'nosuch'), 3);
    const next = stage.api.updateSession('a', { ...small, maxQueueSize: 7 }, null, 3);
    await expect(missing).rejects.toMatchObject({ code: 'avatar_invalid' });
    await expect(next).resolves.toEqual({ idr: false });
    expect(stage.heartbeat().sessions[0]?.queue.capacity).toBe(7);
    expect(heldBy('a').get('frame pool')).toBe(before.get('frame pool'));
  });

  it('under way when the session closes leaves nothing behind', async () => {
    await stage.api.openSession(spec('a', small));
    const change = stage.api.updateSession('a', large, paths.get(large)!, 3);
    await stage.api.closeSession('a');
    await expect(change).rejects.toMatchObject({ code: 'session_not_live' });
    expect(heldBy('a').size).toBe(0);
  });
});

describe('a part that throws', () => {
  it('in a tick costs no chunk and no utterance', async () => {
    await stage.api.openSession(spec('a', small));
    const broken = vi.spyOn(LiveOpus.prototype, 'encode').mockImplementation(() => {
      throw new Error('no memory for a packet');
    });
    const pcm = tone(0.4, 48_000);
    await stage.api.beginUtterance('a', { id: 'u', overflow: 'wait', startSample: 0, playedSamples: 0 });
    const slice = { pcm, sampleRateHz: 48_000, cues: null, startSample: 0, endSample: pcm.length };
    await stage.api.pushSound('a', 'u', slice);
    await until(() => told.filter(([name]) => name === 'warning').length > 3);
    broken.mockRestore();
    await stage.api.endUtterance('a', 'u');
    await until(() => told.some(([name]) => name === 'utteranceEnded'));
    expect(told.find(([name]) => name === 'utteranceEnded')).toEqual(['utteranceEnded', 'a', 'u', 400]);
  });

  it('while a session is being made leaves nothing of it, and no clock that runs', async () => {
    const wrong = { ...spec('a', small), maxViewers: -1 };
    await expect(stage.api.openSession(wrong)).rejects.toThrow('viewers');
    await stage.api.trim('hard');
    expect(avatars().items).toBe(0); // nobody holds it
    expect(heldBy('a').size).toBe(0);
    expect(stage.heartbeat().sessions).toEqual([]);
    await stage.api.openSession(spec('a', small));
    expect(told.filter(([name]) => name === 'warning')).toEqual([]);
  });
});

describe('drawn avatars', () => {
  it('are shared, stay when nobody shows them, and go when memory is needed', async () => {
    await stage.api.openSession(spec('a', small));
    const one = avatars();
    await stage.api.openSession(spec('b', small));
    expect(avatars()).toEqual(one);
    // Another avatar of the same size needs no new encoder.
    await expect(stage.api.updateSession('b', small, other, 3)).resolves.toEqual({ idr: false });
    expect(avatars().items).toBe(2);
    await stage.api.closeSession('b');
    expect(avatars().items).toBe(2);
    expect((await stage.api.trim('hard')).freedBytes).toBeGreaterThan(0);
    expect(avatars()).toEqual(one);
    await stage.api.closeSession('a');
    expect(avatars().items).toBe(1);
  });

  it('of two sessions that open at once are loaded once; an id is taken once', async () => {
    const opened = await Promise.allSettled([
      stage.api.openSession(spec('a', small)),
      stage.api.openSession(spec('b', small)),
      stage.api.openSession(spec('a', large)),
    ]);
    expect(opened.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(avatars().items).toBe(1);
  });

  it('closed while it is being opened, a session does not stay', async () => {
    const opening = stage.api.openSession(spec('a', small));
    await stage.api.closeSession('a');
    await opening;
    expect(stage.heartbeat().sessions).toEqual([]);
  });
});

describe('a viewer without H.264', () => {
  it('gets VP8, also after a change of size; its encoder is there only while it watches', async () => {
    await stage.api.openSession(spec('a', small));
    const encoder = () => heldBy('a').get('video encoder')!;
    const before = encoder();
    const viewer = await RawViewer.open((offer) => stage.api.addViewer('a', 'v', checkOffer(offer)), { codec: 'vp8' });
    viewer.keepAlive();
    await until(() => viewer.video.length > 25);
    const atSmall = encoder();
    expect(atSmall).toBeGreaterThan(before);
    await stage.api.updateSession('a', large, paths.get(large)!, 3);
    const count = viewer.video.length;
    await until(() => viewer.video.length > count + 25);
    expect(viewer.video.since(0).lost).toBe(0);
    expect(encoder()).toBeGreaterThan(atSmall);
    await stage.api.updateSession('a', small, paths.get(small)!, 3);
    const other = await RawViewer.open((offer) => stage.api.addViewer('a', 'other', checkOffer(offer)));
    viewer.close();
    await stage.api.removeViewer('a', 'v');
    await until(() => encoder() === before);
    await until(() => other.video.length > 10);
    other.close();
    await stage.api.removeViewer('a', 'other');
    // Nor does it stay when the last viewer of all was one of those.
    const last = await RawViewer.open((offer) => stage.api.addViewer('a', 'last', checkOffer(offer)), { codec: 'vp8' });
    await until(() => last.video.length > 2);
    expect(encoder()).toBeGreaterThan(before);
    last.close();
    await stage.api.removeViewer('a', 'last');
    await until(() => encoder() === before);
  });
});

describe('short of memory', () => {
  it('takes no sessions and viewers until that is over', async () => {
    await stage.api.openSession(spec('a', small));
    stage.relief.refuse(true);
    await expect(stage.api.openSession(spec('b', small))).rejects.toMatchObject({ code: 'memory_pressure' });
    const join = () => RawViewer.open((offer) => stage.api.addViewer('a', 'v', checkOffer(offer)));
    await expect(join()).rejects.toMatchObject({ code: 'memory_pressure' });
    stage.relief.refuse(false);
    await stage.api.openSession(spec('b', small));
    (await join()).close();
  });

  it('ends the session that holds most and tells of it, but not the only one', async () => {
    await stage.api.openSession(spec('light', small));
    await stage.api.openSession(spec('heavy', large));
    expect(stage.relief.endHeaviest()).toBe('heavy');
    expect(told.filter(([name]) => name === 'sessionEnded')).toEqual([
      ['sessionEnded', 'heavy', 'memory_pressure', expect.stringContaining('MB')],
    ]);
    expect(stage.heartbeat().sessions.map(({ id }) => id)).toEqual(['light']);
    expect(stage.relief.endHeaviest()).toBeNull();
  });
});
