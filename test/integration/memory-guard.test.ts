import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { EventLog, startServer, until, type Json, type TestServer } from '../support/server.js';

let server: TestServer;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-guard-'));
});
afterEach(async () => {
  await server.stop('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** The stage as it tells of itself, before its first heartbeat only its size is known; when it lends nothing. */
const tellingStage = (): Promise<Json> =>
  until(async () => {
    const memory = await server.get('/api/v1/memory');
    const stage = stageOf(memory);
    return memory.loans.length > 0 || stage?.limitBytes === undefined ? null : stage;
  }, 60_000);
const startFile = (): string => join(folder, 'start.json');
const reportFile = (): string => join(folder, 'report.json');
/** A server into whose stage memory can be planted: it begins with the start file. */
const startPlanted = (env: Record<string, string> = {}): Promise<TestServer> =>
  startServer({
    args: ['--preset', 'low'],
    env: {
      DH_LIVE_MEMORY_MAX_MEMORY_MB: '1200',
      // A busy machine is no reason to replace a stage here.
      DH_LIVE_STAGES_HEARTBEAT_TIMEOUT_MS: '10000',
      NODE_OPTIONS: `--import ${packagePath('bench/lib/plant-cache.mjs')}`,
      PLANT_CACHE_START: startFile(),
      PLANT_CACHE_REPORT: reportFile(),
      ...env,
    },
  });

const stageOf = (memory: Json): Json => memory.processes.find(({ name }: Json) => name === 'stage-0');
const watch = (): Promise<Response> =>
  fetch(`${server.url}/whep/main`, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: 'v=0' });

describe('memory at its hard level', () => {
  it('turns viewers and sessions away with 503 and Retry-After, and takes them again', async () => {
    server = await startPlanted({ DH_LIVE_MEMORY_COOLDOWN_MS: '4000' });
    const events = await EventLog.ofServer(server);
    const { limitBytes, rssBytes } = await tellingStage();
    writeFileSync(startFile(), JSON.stringify({ holdBytes: Math.round(0.965 * limitBytes - rssBytes) }));
    await until(async () => stageOf(await server.get('/api/v1/memory'))?.step === 'refuse', 30_000);
    const refused = await watch();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(((await refused.json()) as Json).error).toMatchObject({ code: 'memory_pressure' });
    const session = await server.post('/api/v1/sessions', { id: 'more' });
    expect([session.status, session.headers.get('retry-after')]).toEqual([503, '1']);
    // The session that runs goes on.
    expect((await server.get('/api/v1/sessions/main')).state).toBe('idle');

    rmSync(startFile());
    await until(async () => (await watch()).status === 422); // what the offer above deserves
    expect((await server.post('/api/v1/sessions', { id: 'more' })).status).toBe(201);
    await until(async () => stageOf(await server.get('/api/v1/memory')).level === 'normal');
    expect((await server.get('/api/v1/stats')).stages[0].restarts).toBe(0);
    const stage = ({ process }: Json): boolean => process === 'stage-0';
    await events.next('guard', (event) => stage(event) && event.what === 'step' && event.step === 'refuse');
    await events.next('guard', (event) => stage(event) && event.what === 'release' && event.step === 'refuse');
    const logged = server.log.filter(({ msg, process }) => msg === 'memory' && process === 'stage-0');
    expect(logged).toContainEqual(
      expect.objectContaining({ what: 'step', step: 'refuse', beforeMb: expect.any(Number) }),
    );
    events.close();
  }, 60_000);
});

describe('a stage that has to be replaced for its memory', () => {
  it('loses neither what is said nor what waits', async () => {
    server = await startPlanted();
    const { limitBytes, rssBytes } = await tellingStage();
    const events = await EventLog.open(server);
    const ids: string[] = [];
    for (const text of ['This goes on for a while, whatever becomes of the process that says it.', 'Two.', 'Three.']) {
      const said = (await (await server.post('/api/v1/sessions/main/say', { text })).json()) as Json;
      ids.push(said.utteranceId);
    }
    await events.next('utterance.started');
    writeFileSync(startFile(), JSON.stringify({ holdBytes: Math.round(1.2 * limitBytes - rssBytes) }));
    await events.next('state', ({ state }: Json) => state === 'down', 30_000);
    rmSync(startFile()); // the next one shall live
    const played: number[] = [];
    for (const id of ids) {
      const ended = await events.next('utterance.ended', ({ utteranceId }: Json) => utteranceId === id, 30_000);
      expect(ended.data.error).toBeUndefined();
      played.push(ended.data.playedMs);
    }
    expect(played[0]).toBeGreaterThan(3000);
    expect(Math.min(...played)).toBeGreaterThan(200);
    expect(server.log.filter(({ msg }) => msg === 'warning')).toEqual([]);
    expect(server.log.find(({ msg }) => msg === 'stage replaced')?.['reason']).toMatch(/MB of memory/);
    events.close();
  }, 90_000);
});

describe('a cache that grows for ever', () => {
  it('is trimmed in time: the stage stays within its limit and is not replaced', async () => {
    server = await startPlanted();
    const { limitBytes } = await tellingStage();
    writeFileSync(startFile(), JSON.stringify({ mbPerS: 48, softBytes: 0.8 * limitBytes }));
    const figures = (): Json => {
      try {
        return JSON.parse(readFileSync(reportFile(), 'utf8'));
      } catch {
        return { trims: 0 };
      }
    };
    await until(() => figures().trims >= 2, 60_000);
    const memory = await server.get('/api/v1/memory');
    expect(stageOf(memory).entries).toContainEqual(expect.objectContaining({ name: 'planted cache', owner: 'bench' }));
    expect(Math.max(figures().peakBytes, stageOf(memory).peakBytes)).toBeLessThanOrEqual(1.05 * limitBytes);
    const replaced = server.log.filter(({ msg }) => msg === 'stage replaced' || msg === 'memory');
    expect((await server.get('/api/v1/stats')).stages[0].restarts, JSON.stringify(replaced)).toBe(0);
    // An operator can have it all back.
    const trimmed = (await (await server.post('/api/v1/memory/trim', { level: 'hard' })).json()) as Json;
    const stage = trimmed.processes.find(({ name }: Json) => name === 'stage-0');
    expect(stage.users).toContainEqual(expect.objectContaining({ name: 'planted cache' }));
    expect(trimmed.freedBytes).toBeGreaterThan(0);
  }, 90_000);
});

it('says where the memory of every process is', async () => {
  server = await startServer({ args: ['--preset', 'low'] });
  await tellingStage();
  const memory = await server.get('/api/v1/memory');
  expect(memory).toMatchObject({ level: 'normal', step: null });
  expect(memory.processes.map(({ name }: Json) => name)).toEqual(expect.arrayContaining(['control', 'stage-0']));
  const stage = stageOf(memory);
  expect(stage.rssBytes).toBe(stage.baseBytes + stage.accountedBytes + stage.unaccountedBytes);
  expect(stage.scopes.map(({ label }: Json) => label)).toEqual(expect.arrayContaining(['open session', 'load avatar']));
  const sum = memory.processes.reduce((total: number, { rssBytes }: Json) => total + rssBytes, 0);
  expect(Math.abs(sum / memory.rssBytes - 1)).toBeLessThan(0.3); // children come and go between two samples
  expect((await server.get('/api/v1/stats')).memory).toMatchObject({ limitBytes: memory.limitBytes, level: 'normal' });
  expect((await server.post('/api/v1/memory/trim', { level: 'all' })).status).toBe(400);
}, 60_000);
