import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { startServer, until, type Json, type TestServer } from '../support/server.js';

const told: Json[] = [];
const hook = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    told.push(JSON.parse(text));
    response.writeHead(204).end();
  });
});
let server: TestServer;
beforeAll(async () => {
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  server = await startServer({
    args: ['--preset', 'low'],
    env: {
      DH_LIVE_MONITOR_WEBHOOKS: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/?key=hidden`,
      // no disk has that much free: the alert is there from the first look on
      DH_LIVE_MONITOR_DISK_FREE_MB: '1000000000',
    },
  });
}, 120_000);
afterAll(async () => {
  await server.stop();
  hook.close();
});

describe('history', () => {
  it('has a row each second, with the memory of each process', async () => {
    const { rows, columns } = await until(async () => {
      const table = await server.get('/api/v1/history');
      return table.rows.length >= 4 ? table : null;
    }, 20_000);
    expect(columns[0]).toBe('atMs');
    const last = rows.at(-1);
    const value = (name: string): number | null => last[columns.indexOf(name)];
    expect(Math.abs(Date.now() - value('atMs')!)).toBeLessThan(20_000);
    expect(value('rssBytes')).toBeGreaterThan(50e6);
    expect(value('rssBytes.control')! + value('rssBytes.stage-0')!).toBeLessThanOrEqual(value('rssBytes')! + 2);
    expect(value('limitBytes')).toBe(2000e6);
    expect(value('sessions')).toBe(1);
    expect(value('viewers')).toBe(0);
    expect(value('fpsLowest')).toBeNull(); // nobody watches
    expect(value('eventLoopDelayMsP99')).not.toBeNull();
    if (process.platform === 'linux') {
      expect(value('threads')).toBeGreaterThan(10);
      expect(value('handles')).toBeGreaterThan(10);
    }
    const gaps = rows.slice(1).map(([atMs]: number[], i: number) => atMs! - rows[i][0]);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
  });

  it('is summed up, and refuses a resolution that there is not', async () => {
    const { columns } = await server.get('/api/v1/history/summary');
    expect(columns.rssBytes.min).toBeLessThanOrEqual(columns.rssBytes.mean);
    expect(columns.rssBytes.p95).toBeLessThanOrEqual(columns.rssBytes.max);
    expect((await server.get('/api/v1/history?resolution=1m')).resolution).toBe('1m');
    expect((await server.get('/api/v1/history?resolution=1h')).error.code).toBe('bad_request');
  });
});

describe('alerts', () => {
  it('are listed, logged and posted to the webhook, without the secret of its address', async () => {
    const alert = await until(async () =>
      (await server.get('/api/v1/alerts')).active.find(({ name }: Json) => name === 'disk'),
    );
    expect(alert).toMatchObject({ subject: 'disk', severity: 'critical', clearedAtMs: null, unit: 'MB' });
    const posted = await until(() => told.find(({ event }) => event === 'alert.raised'));
    expect(posted.alert.id).toBe(alert.id);
    expect(server.log.some(({ msg, alert: name }) => msg === 'alert.raised' && name === 'disk')).toBe(true);
    expect(JSON.stringify(server.log)).not.toContain('hidden');
  });
});

describe('the memory contract', () => {
  it('is said in one line at the start', () => {
    const lines = server.log.filter(({ msg }) => msg === 'memory contract');
    expect(lines).toHaveLength(1);
    const { expectedMb, limitMb, furtherSessionMb, sessionsThatFit } = lines[0] as Record<string, number>;
    expect(limitMb).toBe(2000);
    expect(expectedMb).toBeLessThan(limitMb!);
    expect(furtherSessionMb).toBeLessThan(25);
    expect(sessionsThatFit).toBeGreaterThan(10);
  });

  it('a limit under the need is refused with the account of it', async () => {
    await expect(startServer({ env: { DH_LIVE_MEMORY_MAX_MEMORY_MB: '100' } })).rejects.toThrow(
      /the server ended with 2/,
    );
  });
});

describe('the report', () => {
  it('says what was decided and why, what a picture costs, what is needed and what fits', async () => {
    const report = await until(async () => {
      const now = await server.get('/api/v1/report');
      return now.measurement ? now : null;
    }, 60_000);
    expect(Object.keys(report.measurement.costs).sort()).toEqual(['default', 'high', 'low']);
    for (const { cpuMs } of Object.values<Json>(report.measurement.costs)) expect(cpuMs).toBeGreaterThan(0);
    expect(report.contract.limitMb).toBe(2000);
    expect(report.capacity.bySetting).toBe(16);
    const what = report.decisions.map((decision: Json) => decision.what);
    expect(what).toEqual(expect.arrayContaining(['number of stages', 'worker threads', 'cost of a picture']));
    for (const { why, whenMs } of report.decisions) {
      expect(why.length).toBeGreaterThan(5);
      expect(Math.abs(Date.now() - whenMs)).toBeLessThan(300_000);
    }
  });

  it('answers plans, and refuses those that are none', async () => {
    expect(await server.get('/api/v1/plan?sessions=1')).toMatchObject({ sessions: 1, preset: 'low', fits: true });
    const many = await server.get('/api/v1/plan?sessions=5000&preset=high');
    expect(many).toMatchObject({ fits: false, preset: 'high' });
    expect(many.why).toContain('limits.maxSessions is 16');
    expect((await server.get('/api/v1/plan?sessions=1&preset=huge')).error.code).toBe('preset_not_found');
    expect((await server.get('/api/v1/plan?sessions=-1')).error.code).toBe('bad_request');
    // Not an answer for one session.
    const misspelt = await server.get('/api/v1/plan?session=5000');
    expect(misspelt.error).toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('session') as string,
    });
  });

  it('is printed by dh-live report, as a table and as JSON; where there is no server it says so', async () => {
    const run = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
      new Promise((resolve) => {
        execFile(process.execPath, [packagePath('dist/cli.js'), 'report', ...args], (error, out, err) =>
          resolve({ code: Number(error?.code ?? 0), out, err }),
        );
      });
    const table = await run('--url', server.url);
    expect(table.code).toBe(0);
    for (const part of ['MEMORY', 'SESSIONS', 'DECISIONS', 'number of stages']) expect(table.out).toContain(part);
    expect(JSON.parse((await run('--url', server.url, '--json')).out).preset).toBe('low');
    const nobody = await run('--url', 'http://127.0.0.1:1');
    expect(nobody.code).toBe(2);
    expect(nobody.err).toContain('There is no dh-live server at http://127.0.0.1:1');
    expect((await run('--url', 'nonsense')).code).toBe(2);
  });
});
