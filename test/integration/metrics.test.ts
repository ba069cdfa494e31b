import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { EventLog, startServer, until, type Json, type TestServer } from '../support/server.js';

interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** Reads the exposition format 0.0.4; throws at a line that is none of it. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const meta = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (meta) {
      const [, what, name = '', rest = ''] = meta;
      const family = families.get(name) ?? { type: '', help: '', samples: [] };
      families.set(name, { ...family, [what === 'HELP' ? 'help' : 'type']: rest });
      continue;
    }
    const sample = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (!sample) throw new Error(`not a sample: ${line}`);
    const [, name = '', inner = '', value] = sample;
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (!family) throw new Error(`no HELP and TYPE before: ${line}`);
    const labels = Object.fromEntries(
      [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1] ?? '', m[2] ?? '']),
    );
    family.samples.push({ name, labels, value: Number(value) });
  }
  return families;
}

let server: TestServer;
beforeAll(async () => void (server = await startServer({ args: ['--preset', 'low'] })));
afterAll(async () => void (await server.stop('SIGKILL')));
const scrape = async () => parse(await (await fetch(`${server.url}/metrics`)).text());

describe('/metrics', () => {
  it('keeps the conventions: names, base units, types, help', async () => {
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const families = parse(await response.text());
    expect(families.size).toBeGreaterThan(45);
    for (const [name, { type, help, samples }] of families) {
      expect(name).toMatch(/^dh_live_[a-z][a-z0-9_]*$/);
      expect(['gauge', 'counter', 'histogram']).toContain(type);
      expect(help).toMatch(/^[A-Z'].*\.$/);
      // Seconds, bytes and ratios: never thousandths, millions or percent.
      expect(name).not.toMatch(/(_ms|milli|_mb|megabyte|kilobyte|percent|_kbps|minutes|hours)/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      for (const { value } of samples) expect(Number.isFinite(value)).toBe(true);
      const keys = samples.map((one) => JSON.stringify([one.name, one.labels]));
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it('shows every process, the limit, stages and sessions, as /stats does', async () => {
    // A stage tells of its memory from its first heartbeat on.
    const guarded = async () =>
      (await scrape()).get('dh_live_guard_level')!.samples.map((one) => one.labels['process']);
    await until(async () => (await guarded()).includes('stage-0'));
    const [families, stats] = [await scrape(), await server.get('/api/v1/stats')];
    const named = (name: string, label: string) => families.get(name)!.samples.map(({ labels }) => labels[label]);
    const names = stats.processes.map((one: Json) => one.name as string) as string[];
    expect(named('dh_live_process_resident_memory_bytes', 'process')).toEqual(expect.arrayContaining(names));
    expect(families.get('dh_live_memory_limit_bytes')!.samples[0]!.value).toBe(stats.memory.limitBytes);
    expect(named('dh_live_stage_up', 'stage')).toEqual(stats.stages.map(({ index }: Json) => String(index)));
    expect(named('dh_live_session_viewers', 'session')).toEqual(['main']);
    expect(named('dh_live_guard_level', 'process')).toContain('stage-0');
  });

  it('counts utterances and frames, and forgets a session that was closed', async () => {
    expect((await server.post('/api/v1/sessions', { id: 'short' })).status).toBe(201);
    await until(async () => (await server.get('/api/v1/sessions/short')).state === 'idle', 60_000);
    const events = await EventLog.open(server, 'short');
    await server.post('/api/v1/sessions/short/say', { text: 'One.' });
    await events.next('utterance.ended');
    events.close();
    const value = async (name: string, labels: Record<string, string>) =>
      (await scrape()).get(name)!.samples.find((one) => Object.entries(labels).every(([k, v]) => one.labels[k] === v))
        ?.value;
    expect(await value('dh_live_session_utterances_total', { session: 'short', outcome: 'ended' })).toBe(1);
    expect(await value('dh_live_session_utterances_total', { session: 'short', outcome: 'interrupted' })).toBe(0);
    expect(await value('dh_live_session_frames_total', { session: 'short' })).toBeGreaterThan(10);
    await fetch(`${server.url}/api/v1/sessions/short`, { method: 'DELETE' });
    await until(async () => {
      const all = [...(await scrape()).values()].flatMap(({ samples }) => samples);
      return all.every(({ labels }) => labels['session'] !== 'short');
    });
  });

  it('never lets a counter fall, even when a stage is replaced', async () => {
    const frames = async () => (await scrape()).get('dh_live_session_frames_total')!.samples[0]!.value;
    const before = await frames();
    process.kill((await server.get('/api/v1/stats')).stages[0].pid as number, 'SIGKILL');
    await until(async () => (await server.get('/api/v1/stats')).stages[0].restarts === 1);
    await until(async () => (await fetch(`${server.url}/readyz`)).ok, 30_000);
    await until(async () => (await frames()) > before);
    expect((await scrape()).get('dh_live_stage_restarts_total')!.samples[0]!.value).toBe(1);
  }, 60_000);

  it('times answers by route, not by address, and leaves streams out', async () => {
    for (const path of ['/api/v1/sessions/main', '/api/v1/sessions/none', '/some/where', '/else/where'])
      await fetch(server.url + path);
    const events = await EventLog.open(server);
    events.close();
    const { samples } = (await scrape()).get('dh_live_http_request_duration_seconds')!;
    const counts = samples.filter(({ name }) => name.endsWith('_count'));
    const of = (route: string, code: string) =>
      counts.find(({ labels }) => labels['route'] === route && labels['status_code'] === code)?.value;
    expect(of('/api/v1/sessions/:id', '200')).toBeGreaterThanOrEqual(1);
    expect(of('/api/v1/sessions/:id', '404')).toBeGreaterThanOrEqual(1);
    expect(of('none', '404')).toBeGreaterThanOrEqual(2);
    expect(counts.some(({ labels }) => /where|main|events/.test(labels['route'] ?? ''))).toBe(false);
  });
});

describe('the Grafana dashboard', () => {
  const dashboard = JSON.parse(readFileSync(packagePath('docs/grafana-dashboard.json'), 'utf8'));
  const panels = (dashboard.panels as Json[]).filter(({ type }) => type !== 'row');

  it('has panels with names, places and questions, and imports without fixed data source', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.id).toBeUndefined();
    expect(new Set(dashboard.panels.map(({ id }: Json) => id as number)).size).toBe(dashboard.panels.length);
    for (const panel of panels) {
      expect(panel.title).not.toBe('');
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      expect(panel.targets.length).toBeGreaterThan(0);
      for (const { uid } of [panel.datasource, ...panel.targets.map((target: Json) => target.datasource)]) {
        expect(uid).toBe('${datasource}');
      }
    }
  });

  it('asks only for metrics and labels that the server has', async () => {
    const families = await scrape();
    const known = new Set(
      [...families.keys()].flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]),
    );
    const asked = panels.flatMap(({ targets }) => targets.map(({ expr }: Json) => expr as string)) as string[];
    const variables = dashboard.templating.list.flatMap(
      ({ definition }: Json) => (definition as string | undefined) ?? [],
    );
    // The rules of the operator's page, too.
    const page = readFileSync(packagePath('docs/operations.md'), 'utf8');
    const names = [...asked, ...variables, page].flatMap((text: string) => text.match(/dh_live_[a-z_]+/g) ?? []);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(known).toContain(name);
    for (const expr of asked)
      expect([...expr].filter((c) => c === '(').length).toBe([...expr].filter((c) => c === ')').length);
  });
});
