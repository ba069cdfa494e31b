import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPreset } from '../../src/config/load.js';
import { packagePath } from '../../src/entry.js';
import { treeRssBytes } from '../../src/guard/process-tree.js';
import { neededMemory } from '../../src/guard/memory-division.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../../src/malloc-env.js';
import { EventLog, startServer, tone, until, wav, type Json, type TestServer } from '../support/server.js';

let server: TestServer | null;
let cacheDir: string;
beforeEach(() => {
  server = null;
  cacheDir = mkdtempSync(join(tmpdir(), 'dh-live-small-'));
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  rmSync(cacheDir, { recursive: true, force: true });
});

const needMb = (preset: string): number =>
  Math.ceil(neededMemory({ stages: 1, size: loadPreset(preset).session, softShare: 0.8 }).totalMb);
const environment = (limitMb: number): Record<string, string> => ({
  ...MALLOC_ENV,
  DH_LIVE_CACHE_DIR: cacheDir,
  DH_LIVE_STAGES_COUNT: '1',
  DH_LIVE_MEMORY_MAX_MEMORY_MB: String(limitMb),
  // A busy machine is no reason to replace a stage here.
  DH_LIVE_STAGES_HEARTBEAT_TIMEOUT_MS: '60000',
});
const start = (preset: string, limitMb: number, avatars = cacheDir): Promise<TestServer> => {
  const env = { ...environment(limitMb), DH_LIVE_CACHE_DIR: avatars };
  return startServer({ args: ['--preset', preset], nodeArgs: HEAP_FLAGS, env });
};
const memory = (): Promise<Json> => server!.get('/api/v1/memory');
const say = (text: string): Promise<Response> => server!.post('/api/v1/sessions/main/say', { text });
const upload = (seconds: number): Promise<Response> =>
  fetch(`${server!.url}/api/v1/sessions/main/audio`, { method: 'POST', body: new Uint8Array(wav(tone(seconds))) });
const errorOf = async (response: Response): Promise<Json> => ((await response.json()) as Json).error;
/** What a process has lent or borrowed is written into the log at level debug. */
const lentTo = (process: string): number =>
  server!.log.filter((line) => line['msg'] === 'memory lent' && line['process'] === process).length;
const guardEvents = (): Json[] => server!.log.filter(({ msg }) => msg === 'memory');

async function speakToTheEnd(text: string): Promise<void> {
  const events = await EventLog.open(server!);
  const answer = await say(text);
  expect([answer.status, await answer.clone().text()]).toEqual([202, expect.stringMatching(/utteranceId/)]);
  const { utteranceId } = (await answer.json()) as { utteranceId: string };
  const ended = await events.next('utterance.ended', (event) => event.utteranceId === utteranceId, 60_000);
  expect(ended.data.playedMs).toBeGreaterThan(500);
  expect(events.events.filter(({ name, data }) => name === 'warning' && data.code !== 'stalled')).toEqual([]);
  events.close();
}

describe('a server with the least memory', () => {
  const limitMb = needMb('low');

  it('draws its avatar, speaks, and stays within its limit', async () => {
    const starting = start('low', limitMb);
    starting.catch(() => undefined);
    server = await starting;
    expect(lentTo('bake')).toBe(1);
    await speakToTheEnd('There is not much room in here.');
    expect((await treeRssBytes(server.pid)) / 1e6).toBeLessThan(limitMb);
    const now = await memory();
    expect(now).toMatchObject({ level: 'normal', limitBytes: limitMb * 1e6, lentBytes: 0, loans: [] });
    expect(now.peakBytes).toBeLessThan(limitMb * 1e6);
    const parts = now.processes.reduce((sum: number, { limitBytes = 0 }: Json) => sum + limitBytes, now.spareBytes);
    expect(parts).toBeLessThanOrEqual(limitMb * 1e6);
    expect(guardEvents().filter(({ level }) => level === 'hard')).toEqual([]);
    expect((await server.get('/api/v1/stats')).stages[0].restarts).toBe(0);

    // What there is no room for is refused with figures, and costs nobody else anything.
    const voice = await say('Guten Tag, dies ist ein Satz auf Deutsch.');
    expect([voice.status, voice.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await errorOf(voice)).toMatchObject({
      code: 'memory_pressure',
      hint: expect.stringMatching(/the server needs \d+ MB/) as string,
    });
    const [file, other] = await Promise.all([
      upload(1),
      server.post('/api/v1/sessions', { id: 'robot', avatar: 'robot' }),
    ]);
    expect(file.status).toBe(503);
    expect(await errorOf(file)).toMatchObject({
      code: 'memory_pressure',
      message: expect.stringMatching(/^Decoding a file needs 85 MB of memory, and \d+ MB are free\.$/) as string,
      hint: expect.stringMatching(/: \d+ MB would do now\.$/) as string,
    });
    expect(other.status).toBe(503);
    expect(await errorOf(other)).toMatchObject({
      code: expect.stringMatching(/^(memory_pressure|session_limit)$/) as string,
    });
    expect((await server.get('/api/v1/sessions')).map(({ id }: Json) => id)).toEqual(['main']);
    await speakToTheEnd('Nothing of that is heard in here.');
    expect(guardEvents().filter(({ level }) => level === 'hard')).toEqual([]);
  }, 120_000);

  it('is refused under that, with the limit that would do and no advice that does not help', async () => {
    const refused = promisify(execFile)(
      process.execPath,
      [packagePath('dist/cli.js'), 'serve', '--port', '0', '--preset', 'low'],
      { env: { ...process.env, ...environment(limitMb - 1), DH_LIVE_STAGES_FIRST_PORT: '0' } },
    );
    const { code, stderr } = (await refused.then(
      () => expect.unreachable('it started'),
      (error: unknown) => error,
    )) as { code: number; stderr: string };
    expect(code).toBe(2);
    expect(stderr).toContain(`needs ${limitMb} MB`);
    expect(stderr).toContain(`to ${limitMb} or more`);
    expect(stderr).not.toContain('--preset');
  }, 30_000);
});

describe('a server with a little more, which has its avatar', () => {
  const limitMb = needMb('low') + 100;

  it('lends memory for a file while it is decoded, and divides it anew for another kind of voice', async () => {
    server = await start('low', limitMb, packagePath('.cache/avatars'));
    const { contract } = await server.get('/api/v1/report');
    const { controlBytes, stageBytes } = contract.division;
    expect(contract).toMatchObject({ otherVoices: false, needMb: expect.closeTo(needMb('low'), -1) as number });

    expect((await upload(8)).status).toBe(202);
    const lending = await memory();
    const [loan] = lending.loans;
    expect(loan).toMatchObject({ process: 'media', recalled: false });
    expect(lending.lentBytes).toBe(loan.bytes);
    const report = await server.get('/api/v1/report');
    expect(report.loans.loans).toEqual(lending.loans);
    /** A process as it is shown: those that come and go are looked for once a second. */
    const shown = (process: string): Promise<Json> =>
      until(async () => (await memory()).processes.find(({ name }: Json) => name === process));
    const lenders = Object.entries(loan.from as Record<string, number>).filter(([name]) => name !== 'spare');
    expect(lenders.length).toBeGreaterThan(0);
    for (const [name, bytes] of lenders) {
      const whole = name === 'control' ? controlBytes : stageBytes;
      await until(async () => (await shown(name)).limitBytes === whole - bytes);
    }
    const media = await shown('media');
    expect(media.limitBytes).toBe(loan.bytes);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain(`dh_live_memory_borrowed_bytes{process="media"} ${loan.bytes}`);

    // The process is killed: its loan comes back, and the file goes on with another one.
    process.kill(media.pid, 'SIGKILL');
    await until(async () => (await memory()).loans.length === 0 || lentTo('media') === 2, 10_000);
    await server.post('/api/v1/sessions/main/interrupt');

    await speakToTheEnd('Guten Tag, dies ist ein Satz auf Deutsch.');
    const after = await server.get('/api/v1/report');
    expect(after.contract.otherVoices).toBe(true);
    expect(after.contract.needMb).toBeGreaterThan(contract.needMb);
    expect((await memory()).processes[0].limitBytes).toBeGreaterThan(controlBytes);
    expect(guardEvents().filter(({ level }) => level === 'hard')).toEqual([]);
  }, 120_000);
});
