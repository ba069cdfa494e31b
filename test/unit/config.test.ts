import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { configFields } from '../../src/config/fields.js';
import { loadConfig, loadPreset, presetNames } from '../../src/config/load.js';
import { packagePath } from '../../src/entry.js';
import { configurationPage } from '../../tools/generate-docs.js';

const folders: string[] = [];
function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'dh-config-'));
  folders.push(folder);
  const path = join(folder, 'config.json');
  writeFileSync(path, text);
  return path;
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('presets', () => {
  it('ships low, default and high, each valid', () => {
    expect(presetNames()).toEqual(['default', 'high', 'low']);
    expect(loadPreset('low')).toMatchObject({
      session: { width: 640, height: 360, maxQueueSize: 2 },
      memory: { maxMemoryMb: 2000, gcIntervalS: 15 },
    });
    expect(loadPreset('default')).toMatchObject({
      session: { width: 1280, height: 720, maxQueueSize: 3 },
      memory: { gcIntervalS: 30 },
    });
    expect(loadPreset('high')).toMatchObject({
      session: { width: 1920, height: 1080, maxQueueSize: 5 },
      memory: { maxMemoryMb: 6000, gcIntervalS: 45 },
    });
  });

  it('names the presets when one does not exist', () => {
    expect(() => loadPreset('hihg')).toThrowError(expect.objectContaining({ code: 'preset_not_found' }) as Error);
  });
});

describe('loadConfig', () => {
  it('lets flags win over the environment, that over the file, that over the preset', () => {
    const file = fileWith('{"server":{"port":1},"session":{"bitrateKbps":1111},"limits":{"maxSessions":2}}');
    const env = { DH_LIVE_SERVER_PORT: '2', DH_LIVE_LIMITS_MAX_SESSIONS: '3' };
    const config = loadConfig({ preset: 'low', file, env, flags: { server: { port: 4, host: undefined } } });
    expect(config.server).toMatchObject({ port: 4, host: '127.0.0.1' });
    expect(config.limits.maxSessions).toBe(3);
    expect(config.session).toMatchObject({ bitrateKbps: 1111, width: 640 });
  });

  it.each([
    ['a misspelt name', '{"sesion":{}}', /sesion/],
    ['a negative limit', '{"memory":{"maxMemoryMb":-5}}', /memory\.maxMemoryMb/],
    ['an odd width', '{"session":{"width":641}}', /session\.width.*even/],
    ['a time that no timer takes', '{"statsIntervalS":9007199254740992}', /statsIntervalS.*86400/],
    ['a statistics line each millisecond', '{"statsIntervalS":0.001}', /statsIntervalS.*at least 1/],
    ['broken JSON', '{"session":', /not JSON/],
    ['a list', '[]', /no JSON object/],
  ])('refuses %s and says where', (_name, text, reason) => {
    expect(() => loadConfig({ file: fileWith(text) })).toThrowError(reason);
  });

  it('refuses an unknown environment variable and a value of the wrong type', () => {
    expect(() => loadConfig({ env: { DH_LIVE_PROT: '1' } })).toThrowError(/DH_LIVE_PROT/);
    expect(() => loadConfig({ env: { DH_LIVE_SERVER_PORT: 'many' } })).toThrowError(/server\.port/);
    expect(() => loadConfig({ env: { DH_LIVE_DEBUG_TIMECODE: 'perhaps' } })).toThrowError(/debugTimecode/);
  });

  it('describes every setting', () => {
    for (const field of configFields()) expect(field.description, field.path.join('.')).not.toBe('');
  });
});

it('docs/configuration.md is what the schema says', async () => {
  expect(readFileSync(packagePath('docs/configuration.md'), 'utf8')).toBe(await configurationPage());
});
