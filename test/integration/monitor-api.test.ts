import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
