import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { CSV_HEADER } from '../../src/monitor/lines.js';
import { startServer, until, type Json, type TestServer } from '../support/server.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'dh-live-monitor-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the monitor to its end; `onOutput` sees what it has printed so far. */
function monitor(
  args: string[],
  options: { onOutput?: (text: string, pid: number) => void; tool?: boolean } = {},
): Promise<Run> {
  const command = options.tool
    ? ['--import', 'tsx', packagePath('tools/memory-monitor.ts')]
    : [packagePath('dist/cli.js'), 'monitor'];
  const child = spawn(process.execPath, [...command, ...args], {
    cwd: packagePath('.'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run: Run = { code: null, out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => {
    run.out += data.toString();
    options.onOutput?.(run.out, child.pid!);
  });
  child.stderr.on('data', (data: Buffer) => void (run.err += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...run, code })));
}
const linesOf = ({ out }: Run): Json[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('watching a real server', () => {
  let server: TestServer;
  beforeAll(async () => void (server = await startServer({ args: ['--preset', 'low'] })));
  afterAll(async () => void (await server.stop('SIGKILL')));

  it('prints a line a sample and a summary when it is no terminal', async () => {
    const csv = join(folder, 'memory.csv');
    const run = await monitor(['--url', server.url, '--for', '1s', '--interval', '200ms', '--csv', csv]);
    expect(run.code).toBe(0);
    expect(run.err).toBe('');
    const samples = run.out.split('\n').filter((line) => / rss=\d+MB /.test(line));
    // The processes come by size, and others come and go: the avatar was drawn a moment ago.
    const parts = [/ limit=2000MB /, / control=\d+MB /, / stage-0=\d+MB /];
    const whole = samples.filter((line) => parts.every((part) => part.test(line)));
    expect(whole.length).toBeGreaterThanOrEqual(2);
    expect(run.out).not.toContain('\u001b');
    expect(run.out).toMatch(/^all +\d+ +\d+ +\d+ +\d+ /m);
    const rows = readFileSync(csv, 'utf8').trim().split('\n');
    expect(rows[0]).toBe(CSV_HEADER);
    expect(rows.length).toBe(samples.length + 1);
    for (const row of rows) expect(row.split(',')).toHaveLength(CSV_HEADER.split(',').length);
  });

  it('prints objects with --json, the same from the tool in tools/', async () => {
    const run = await monitor(['--url', server.url, '--for', '500ms', '--interval', '200ms', '--json'], { tool: true });
    expect(run.code).toBe(0);
    const objects = linesOf(run);
    const { processes } = await server.get('/api/v1/stats');
    expect(objects[0]).toMatchObject({ type: 'sample', sessions: [{ id: 'main' }] });
    expect(objects[0].processes.map(({ pid }: Json) => pid as number)).toEqual(
      processes.map(({ pid }: Json) => pid as number),
    );
    expect(objects.at(-1)).toMatchObject({ type: 'summary', samples: objects.length - 1, exceeded: null, ended: null });
    expect(objects.at(-1).rssBytes.mean).toBeGreaterThan(50e6);
  });

  it('watches by pid without HTTP, children included', async () => {
    const run = await monitor(['--pid', String(server.pid), '--for', '300ms', '--interval', '200ms', '--json']);
    expect(run.code).toBe(0);
    const [first] = linesOf(run);
    expect(first.processes.map(({ name }: Json) => name as string)).toEqual(
      expect.arrayContaining(['control', 'stage-0']),
    );
    const { memory } = await server.get('/api/v1/stats');
    expect(first.rssBytes / memory.rssBytes).toBeGreaterThan(0.6);
    expect(first.rssBytes / memory.rssBytes).toBeLessThan(1.7);
  });

  it('ends with 1 when more than --max is in use, and says when and which process', async () => {
    const run = await monitor(['--url', server.url, '--max', '50']);
    expect(run.code).toBe(1);
    expect(run.err).toMatch(
      /At \d{4}-.*Z, after 0:0\d, \d+ MB were in use, more than the 50\.0 MB of --max\. .* (control|stage-0) with \d+ MB\./,
    );
    expect(run.out).toContain('1 sample in');
  });

  it('goes on without a file when the disk is full, and says so once', async () => {
    const run = await monitor(['--url', server.url, '--for', '700ms', '--interval', '200ms', '--csv', '/dev/full']);
    expect(run.code).toBe(0);
    expect(run.err.match(/cannot be written any more \(ENOSPC\)/g)).toHaveLength(1);
    expect(run.out.match(/ rss=/g)!.length).toBeGreaterThanOrEqual(2);
  });

  it('prints the summary when it is interrupted', async () => {
    let stopped = false;
    const onOutput = (text: string, pid: number) => {
      if (!stopped && text.includes('rss=')) process.kill(pid, 'SIGINT');
      stopped ||= text.includes('rss=');
    };
    const run = await monitor(['--url', server.url], { onOutput });
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/samples? in/);
  });
});

describe('a server that goes away', () => {
  it.each(['url', 'pid'] as const)('is noticed by %s: the summary, and code 3', async (by) => {
    const server = await startServer({ args: ['--preset', 'low'] });
    let killed = false;
    const onOutput = (text: string) => {
      if (!killed && text.includes('rss=')) void server.stop('SIGKILL');
      killed ||= text.includes('rss=');
    };
    const target = by === 'url' ? ['--url', server.url] : ['--pid', String(server.pid)];
    const run = await monitor([...target, '--interval', '200ms'], { onOutput });
    expect(run.code).toBe(3);
    expect(run.err).toContain('The server is gone: ');
    expect(run.out).toMatch(/samples? in/);
  });
});

describe('what is wrong from the start', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  /** A server that answers as told; null: 404. */
  async function fake(answer: (path: string, token: string | undefined) => object | string | number): Promise<string> {
    const server = createServer((request, response) => {
      const body = answer(request.url ?? '', request.headers.authorization);
      if (typeof body === 'number') return void response.writeHead(body).end('{}');
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const stats = {
    uptimeS: 5,
    memory: { limitBytes: 1e9 },
    processes: [{ name: 'control\u001b[2J', pid: 1, rssBytes: 1e8, cpuPercent: 'many' }],
    sessions: [{ id: 'main' }],
  };

  it('says that nothing answers, and what to do', async () => {
    const url = await fake(() => 500);
    servers[0]!.close();
    await until(() => !servers[0]!.listening);
    const run = await monitor(['--url', url]);
    expect(run.code).toBe(2);
    expect(run.err).toMatch(/There is no dh-live server at .*ECONNREFUSED[\s\S]*npm start/);
    expect(run.out).toBe('');
  });

  it.each([
    ['a page', '<!doctype html>'],
    ['another API', { hello: 'world' }],
    ['a failure', 500],
  ])('does not take %s for a server', async (_what, answer) => {
    const run = await monitor(['--url', await fake(() => answer)]);
    expect(run.code).toBe(2);
    expect(run.err).toContain('There is no dh-live server at');
  });

  it('says when the token is missing or wrong, and takes the right one', async () => {
    const url = await fake((_path, token) => (token === 'Bearer right horse' ? stats : 401));
    for (const args of [[], ['--token', 'wrong']]) {
      const run = await monitor(['--url', url, ...args]);
      expect([run.code, run.err]).toEqual([2, expect.stringContaining('--token')]);
    }
    expect((await monitor(['--url', url, '--token', 'right horse', '--max', '1'])).code).toBe(1);
  });

  it('leaves gaps for calls and fields that an older server does not have, and prints nothing raw', async () => {
    const asked: string[] = [];
    const url = await fake((path) => {
      asked.push(path);
      return path === '/api/v1/stats' ? stats : 404;
    });
    const run = await monitor(['--url', url, '--for', '500ms', '--interval', '100ms', '--json']);
    expect(run.code).toBe(0);
    expect(linesOf(run)[0]).toMatchObject({ rssBytes: 1e8, level: null, owners: [], alerts: [], cpuPercent: null });
    expect(run.out).not.toContain('\u001b');
    expect(run.out).not.toContain('\\u001b');
    expect(asked.filter((path) => path !== '/api/v1/stats').sort()).toEqual(['/api/v1/alerts', '/api/v1/memory']);
  });

  it('notices that another server has taken its place', async () => {
    let pid = 1;
    const url = await fake((path) =>
      path === '/api/v1/stats' ? { ...stats, processes: [{ name: 'control', pid: pid++, rssBytes: 1e8 }] } : 404,
    );
    const run = await monitor(['--url', url, '--interval', '100ms']);
    expect([run.code, run.err]).toEqual([3, expect.stringContaining('started anew')]);
  });

  it.each([
    [['--pid', '4194000'], 'no process 4194000'],
    [['--pid', '-3'], 'number of a process'],
    [['--pid', '1', '--url', 'http://127.0.0.1:1'], 'cannot be used with'],
    [['--interval', '1ms'], '100ms is the least'],
    [['--for', 'ever'], 'It is a time'],
    [['--max', '-1'], 'MB above 0'],
    [['--url', 'http://'], 'no address'],
    [['--url', 'ftp://127.0.0.1'], 'no address'],
    [['--frobnicate'], 'unknown option'],
  ])('refuses %j', async (args, words) => {
    const run = await monitor(args);
    expect([run.code, run.err]).toEqual([2, expect.stringContaining(words)]);
  });

  it('refuses a file that cannot be opened', async () => {
    const run = await monitor(['--url', await fake(() => stats), '--csv', join(folder, 'none', 'x.csv')]);
    expect([run.code, run.err]).toEqual([2, expect.stringContaining('cannot be written')]);
  });
});
