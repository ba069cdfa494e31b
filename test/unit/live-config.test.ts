import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveConfig, type ConfigChange } from '../../src/config/live-config.js';
import type { DhError } from '../../src/errors.js';
import { until } from '../support/server.js';

let folder: string;
let file: string;
const open: LiveConfig[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-config-'));
  file = join(folder, 'config.json');
});
afterEach(() => {
  for (const live of open.splice(0)) live.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(text: string | null, env: Record<string, string> = {}, flags = {}): LiveConfig {
  if (text !== null) writeFileSync(file, text);
  const live = new LiveConfig({ ...(text === null ? {} : { file }), env, flags });
  open.push(live);
  return live;
}

function follow(live: LiveConfig): { changes: ConfigChange[]; refusals: DhError[] } {
  const seen = { changes: [] as ConfigChange[], refusals: [] as DhError[] };
  live.on('changed', (change) => seen.changes.push(change));
  live.on('refused', (error) => seen.refusals.push(error));
  live.follow({ debounceMs: 20, pollMs: 100 });
  return seen;
}

/** The code, message and hint of what `work` throws. */
function errorOf(work: () => unknown): { code: string; message: string; hint: string | undefined } {
  try {
    work();
  } catch (error) {
    const { code, message, hint } = error as DhError;
    return { code, message, hint };
  }
  throw new Error('nothing was thrown');
}

describe('a file that is wrong', () => {
  it.each([
    [
      'broken JSON',
      '{\n  "limits": {\n    "maxSessions": 4,\n  }\n}',
      /:3:21: not JSON: no comma may stand before "}"/,
    ],
    ['a comment', '{\n  // mine\n}', /:2:3: not JSON: .*no comments/],
    ['half of a file', '{\n  "limits": {', /:2:14: not JSON: it ends/],
    ['an empty file', '', /:1:1: not JSON: it ends/],
    ['a misspelt group', '{\n  "sesion": {}\n}', /:2:3: sesion: there is no such setting, did you mean "session"\?/],
    ['a misspelt name', '{\n "limits": {\n  "maxSesions": 4}}', /:3:3: .* did you mean "limits.maxSessions"\?/],
    ['a name in the wrong group', '{"maxSessions": 4}', /did you mean "limits.maxSessions"\?/],
    ['a negative limit', '{\n\n "limits": {"maxSessions": -4}}', /:3:13: limits.maxSessions: Too small/],
    ['a text for a number', '{"session": {"width": "wide"}}', /:1:14: session.width: .*expected number/],
    ['a number for a list', '{"server": {"corsOrigins": 7}}', /:1:13: server.corsOrigins: .*array/],
    ['a list for a group', '{\n"session": []}', /:2:1: session: .*object/],
    ['levels in the wrong order', '{\n"memory": {"softShare": 0.5}}', /:2:1: memory: softRelease < softShare/],
    ['an unknown preset', '{\n  "preset": "hihg"\n}', /:2:3: preset: There is no preset "hihg"/],
    ['a preset that is no name', '{"preset": 5}', /:1:2: preset: must be a name/],
    ['a list', '[]', /holds no JSON object/],
    ['a name twice', '{"limits": {},\n "limits": {}}', /:2:2: not JSON: "limits" appears twice/],
    ['a trap', '{"__proto__": {"limits": 1}}', /__proto__/],
  ])('is refused with its place: %s', (_name, text, reason) => {
    writeFileSync(file, text);
    const { message, code } = errorOf(() => new LiveConfig({ file }));
    expect(message).toMatch(reason);
    expect(['config_invalid', 'preset_not_found']).toContain(code);
    // and while the server runs: the old settings go on
    const live = start('{"limits": {"maxSessions": 4}}');
    const before = live.current;
    writeFileSync(file, text);
    expect(errorOf(() => live.reload()).message).toMatch(reason);
    expect(live.current).toBe(before);
    expect(live.describe().refused).toMatch(reason);
  });

  it('says what a preset may be called', () => {
    writeFileSync(file, '{"preset": "hihg"}');
    expect(errorOf(() => new LiveConfig({ file })).hint).toBe('Did you mean "high"? Presets are: default, high, low.');
  });

  it('takes no webhook that nobody could be reached at', () => {
    for (const address of ['hooks.example', 'ftp://hooks.example/a', 'file:///etc/hostname', 'http://']) {
      writeFileSync(file, JSON.stringify({ monitor: { webhooks: ['https://hooks.example/a', address] } }));
      expect(errorOf(() => new LiveConfig({ file })).message).toMatch(
        /:1:\d+: monitor\.webhooks\.1: must be an http or https address/,
      );
    }
  });

  it('is refused when it is not there, a folder, or far too large', () => {
    const live = start('{}');
    rmSync(file);
    expect(errorOf(() => live.reload())).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/there is no such file/) as string,
    });
    mkdirSync(file);
    expect(errorOf(() => live.reload()).message).toMatch(/it is a folder/);
    rmSync(file, { recursive: true });
    writeFileSync(file, ' '.repeat(2_000_000));
    expect(errorOf(() => live.reload()).message).toMatch(/it has 2 MB/);
    writeFileSync(file, '{}');
    live.reload();
    expect(live.describe().refused).toBeNull();
  });

  it.skipIf(process.getuid?.() === 0)('is refused when it cannot be read', () => {
    const live = start('{}');
    chmodSync(file, 0);
    expect(errorOf(() => live.reload()).message).toMatch(/EACCES/);
  });

  it('names the variable or the flag when those are wrong', () => {
    expect(errorOf(() => start(null, { DH_LIVE_LIMITS_MAX_SESIONS: '3' })).hint).toBe(
      'Did you mean DH_LIVE_LIMITS_MAX_SESSIONS?',
    );
    const wrong = errorOf(() => start(null, { DH_LIVE_LIMITS_MAX_SESSIONS: '-3' }));
    expect(wrong.message).toMatch(/^DH_LIVE_LIMITS_MAX_SESSIONS: limits.maxSessions: Too small/);
    expect(errorOf(() => start(null, {}, { server: { port: -1 } })).message).toMatch(/^the command line: server.port/);
  });
});

describe('the order of the sources', () => {
  it('is preset, file, environment, flags, patch', () => {
    const text = '{"preset": "low", "session": {"bitrateKbps": 700}, "limits": {"maxSessions": 2, "maxTextChars": 10}}';
    const live = start(text, { DH_LIVE_LIMITS_MAX_SESSIONS: '3' }, { logLevel: 'warn' });
    live.patch({ limits: { maxUploadMb: 5 } });
    expect(live.current).toMatchObject({
      preset: 'low',
      session: { width: 640, bitrateKbps: 700 },
      limits: { maxSessions: 3, maxTextChars: 10, maxUploadMb: 5 },
    });
    expect(live.describe().source).toMatchObject({
      'session.width': 'preset',
      'session.bitrateKbps': 'file',
      'limits.maxSessions': 'env',
      'limits.maxTextChars': 'file',
      'limits.maxUploadMb': 'patch',
      'limits.maxViewersPerSession': 'default',
      logLevel: 'flags',
      preset: 'file',
    });
    // an edit of the file does not pass what is stronger
    writeFileSync(file, '{"limits": {"maxSessions": 9, "maxUploadMb": 9, "maxTextChars": 9}}');
    expect(live.reload().changed).toEqual(expect.arrayContaining(['limits.maxTextChars', 'preset', 'session.width']));
    expect(live.current.limits).toMatchObject({ maxSessions: 3, maxTextChars: 9, maxUploadMb: 5 });
  });

  it('lets a patch of null take a patch back', () => {
    const live = start('{"limits": {"maxSessions": 4}}');
    live.patch({ limits: { maxSessions: 7 } });
    expect(live.current.limits.maxSessions).toBe(7);
    expect(live.patch({ limits: { maxSessions: null } }).changed).toEqual(['limits.maxSessions']);
    expect(live.current.limits.maxSessions).toBe(4);
  });

  it('switches the preset, and what was set one by one stays', () => {
    const live = start('{"session": {"bitrateKbps": 700}}');
    const { changed, new: now } = live.patch({ preset: 'low' });
    expect(changed).toEqual(
      expect.arrayContaining(['preset', 'session.width', 'session.height', 'memory.maxMemoryMb']),
    );
    expect(now.session).toMatchObject({ width: 640, bitrateKbps: 700, idleQuality: 'half' });
    expect(errorOf(() => live.patch({ preset: 'hihg' })).code).toBe('preset_not_found');
    expect(live.current.preset).toBe('low');
  });
});

describe('what needs a restart', () => {
  it('is refused when it is all of a patch, and left out otherwise', () => {
    const live = start('{}');
    const refused = errorOf(() => live.patch({ server: { port: 9999 }, stages: { count: 3 } }));
    expect(refused.code).toBe('config_fixed');
    expect(refused.message).toContain('server.port, stages.count');
    const change = live.patch({ server: { port: 9999 }, limits: { maxSessions: 5 } });
    expect(change).toMatchObject({ changed: ['limits.maxSessions'], needsRestart: ['server.port'] });
    expect(live.current).toMatchObject({ server: { port: 8010 }, limits: { maxSessions: 5 } });
    expect(live.describe().needsRestart).toEqual([]); // nothing remembers it: after a restart it is gone
  });

  it('stays as it is when the file changes, and is told of until the restart', () => {
    const live = start('{}');
    writeFileSync(file, '{"server": {"host": "0.0.0.0"}, "limits": {"maxSessions": 5}}');
    expect(live.reload()).toMatchObject({ changed: ['limits.maxSessions'], needsRestart: ['server.host'] });
    expect(live.current.server.host).toBe('127.0.0.1');
    expect(live.describe().needsRestart).toEqual(['server.host']);
    // a later patch of something else is no reason to speak of it as its own
    expect(live.patch({ limits: { maxSessions: 6 } }).changed).toEqual(['limits.maxSessions']);
    writeFileSync(file, '{}');
    live.reload();
    expect(live.describe().needsRestart).toEqual([]);
  });
});

describe('a patch', () => {
  it.each([
    [{ limits: { maxSesions: 4 } }, /did you mean "limits.maxSessions"/],
    [{ limits: { maxSesions: null } }, /did you mean "limits.maxSessions"/],
    [{ limits: { maxSessions: -4 } }, /^limits.maxSessions: Too small/],
    [{ session: { idleQuality: 'lowest' } }, /^session.idleQuality/],
    [{ memory: { softShare: 0.99 } }, /memory: softRelease/],
    [{ server: { token: 'short' } }, /^server.token/],
    [{ server: { token: '***' } }, /only stands for a secret/],
    [[1], /is a JSON object/],
    ['limits', /is a JSON object/],
    [null, /is a JSON object/],
  ])('that is wrong changes nothing: %j', (body, reason) => {
    const live = start('{}');
    const before = live.current;
    expect(errorOf(() => live.patch(body)).message).toMatch(reason);
    expect(live.current).toBe(before);
    // and what comes after it works
    expect(live.patch({ limits: { maxSessions: 3 } }).changed).toEqual(['limits.maxSessions']);
  });

  it('that says what is so already changes nothing', () => {
    const live = start('{}');
    const before = live.current;
    expect(live.patch({ limits: { maxSessions: 16 }, server: { port: 8010 } })).toMatchObject({
      changed: [],
      needsRestart: [],
    });
    expect(live.current).toBe(before);
  });

  it('is written to the file when asked, at one stroke, with what needs a restart', () => {
    const live = start('{"limits": {"maxTextChars": 10, "maxSessions": 4}}', { DH_LIVE_STATS_INTERVAL_S: '5' });
    chmodSync(file, 0o640);
    live.patch({ limits: { maxSessions: 7 } });
    const body = { limits: { maxSessions: 8 }, server: { port: 9999 }, statsIntervalS: 20 };
    const change = live.patch(body, { persist: true });
    expect(change).toMatchObject({ changed: ['limits.maxSessions', 'statsIntervalS'], needsRestart: ['server.port'] });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      limits: { maxTextChars: 10, maxSessions: 8 },
      server: { port: 9999 },
      statsIntervalS: 20,
    });
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(['config.json']);
    expect(live.describe()).toMatchObject({
      needsRestart: ['server.port'],
      // the environment would hide what the file says, so the patch stays in force
      source: { 'limits.maxSessions': 'file', statsIntervalS: 'patch' },
    });
    // the file has it now: an edit there counts
    writeFileSync(file, '{"limits": {"maxSessions": 2}}');
    live.reload();
    expect(live.current.limits.maxSessions).toBe(2);
  });

  it('is not written over a file that is wrong, nor without a file', () => {
    const live = start('{}');
    writeFileSync(file, '{"limits":');
    expect(errorOf(() => live.patch({ limits: { maxSessions: 8 } }, { persist: true })).message).toMatch(
      /:1:11: not JSON/,
    );
    expect(readFileSync(file, 'utf8')).toBe('{"limits":');
    expect(live.current.limits.maxSessions).toBe(16);
    expect(errorOf(() => start(null).patch({ limits: { maxSessions: 8 } }, { persist: true })).code).toBe(
      'config_fixed',
    );
  });

  it('may be refused by a check', () => {
    const live = start('{}');
    live.addCheck(({ limits }) => {
      if (limits.maxSessions > 20) throw new RangeError('too many');
    });
    expect(() => live.patch({ limits: { maxSessions: 21 } })).toThrow('too many');
    expect(live.current.limits.maxSessions).toBe(16);
  });
});

it('shows no secret', () => {
  const live = start(
    null,
    {},
    { server: { token: 'a-long-secret' }, monitor: { webhooks: ['https://hooks.example/s3cr3t'] } },
  );
  const shown = JSON.stringify(live.describe());
  expect(shown).not.toContain('a-long-secret');
  expect(shown).not.toContain('s3cr3t');
  expect(shown).toContain('https://hooks.example/***');
  expect(live.current.server.token).toBe('a-long-secret');
});

describe('a file that is followed', () => {
  it('counts when it is written, renamed onto, removed and made again', async () => {
    const live = start('{"limits": {"maxSessions": 2}}');
    const { changes, refusals } = follow(live);
    writeFileSync(file, '{"limits": {"maxSessions": 3}}');
    await until(() => live.current.limits.maxSessions === 3);
    writeFileSync(join(folder, 'config.json.swp'), '{"limits": {"maxSessions": 4}}');
    renameSync(join(folder, 'config.json.swp'), file);
    await until(() => live.current.limits.maxSessions === 4);
    rmSync(file);
    await until(() => refusals.length === 1);
    expect(refusals[0]!.message).toMatch(/there is no such file/);
    expect(live.current.limits.maxSessions).toBe(4);
    writeFileSync(file, '{"limits": {"maxSessions": 5}}');
    await until(() => live.current.limits.maxSessions === 5);
    expect(changes.map(({ cause, changed }) => [cause, changed])).toEqual(
      changes.map(() => ['file', ['limits.maxSessions']]),
    );
  });

  it('is refused half written, once, and counts when it is whole', async () => {
    const live = start('{"limits": {"maxSessions": 2}}');
    const { refusals } = follow(live);
    writeFileSync(file, '{"limits": {"maxSess');
    await until(() => refusals.length === 1);
    writeFileSync(file, '{"limits": {"maxSess'); // again the same
    await until(() => live.describe().refused);
    writeFileSync(file, '{"limits": {"maxSessions": 3}}');
    await until(() => live.current.limits.maxSessions === 3);
    expect(refusals).toHaveLength(1);
    expect(live.describe().refused).toBeNull();
  });

  it('counts when a link is pointed elsewhere, and when its folder is replaced', async () => {
    writeFileSync(join(folder, 'one.json'), '{"limits": {"maxSessions": 2}}');
    writeFileSync(join(folder, 'two.json'), '{"limits": {"maxSessions": 3}}');
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    file = join(inner, 'config.json');
    symlinkSync(join(folder, 'one.json'), file);
    const live = new LiveConfig({ file });
    open.push(live);
    follow(live);
    rmSync(file);
    symlinkSync(join(folder, 'two.json'), file);
    await until(() => live.current.limits.maxSessions === 3);
    rmSync(inner, { recursive: true });
    mkdirSync(inner);
    writeFileSync(file, '{"limits": {"maxSessions": 6}}');
    await until(() => live.current.limits.maxSessions === 6);
  });
});
