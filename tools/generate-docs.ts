/** Writes docs/configuration.md from the schema. With `--check` it only says whether the file is current. */
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { configFields } from '../src/config/fields.js';
import { loadPreset, presetNames } from '../src/config/load.js';
import { packagePath } from '../src/entry.js';

/** The configuration page, formatted as it is stored. */
export async function configurationPage(): Promise<string> {
  const presets = presetNames().map((name) => ({ name, ...loadPreset(name) }));
  const keys = [
    ['size', (p: (typeof presets)[number]) => `${p.session.width} × ${p.session.height}`],
    ['video', (p: (typeof presets)[number]) => `${p.session.bitrateKbps} kb/s, ${p.session.x264Preset}`],
    ['sound', (p: (typeof presets)[number]) => `${p.session.opusBitrateKbps} kb/s`],
    ['audio queue', (p: (typeof presets)[number]) => `${p.session.maxQueueSize} chunks of 40 ms`],
    [
      'idle pictures',
      ({ session: { idleQuality } }: (typeof presets)[number]) =>
        `${idleQuality}, ${{ full: 25, half: 12.5, low: 5 }[idleQuality]} a second`,
    ],
    ['frame pool', (p: (typeof presets)[number]) => `${p.session.framePoolSize}`],
    ['memory limit', (p: (typeof presets)[number]) => `${p.memory.maxMemoryMb} MB`],
    ['collection at most every', (p: (typeof presets)[number]) => `${p.memory.gcIntervalS} s`],
  ] as const;
  const rows = configFields().map(
    ({ path, env, type, default: value, description, applies }) =>
      `| \`${path.join('.')}\` | ${type.replaceAll('|', '\\|')} | ${value === undefined ? '' : `\`${JSON.stringify(value)}\``} | ${description} | ${applies} | \`${env}\` |`,
  );
  const text = `<!-- Made by "npm run docs" from src/config/schema.ts. -->

# Configuration

Later sources win: preset, then the file of \`--config\`, then environment variables, then flags. A configuration file is
JSON with any of the settings below, nested by the dots:

\`\`\`json
{ "server": { "host": "0.0.0.0" }, "limits": { "maxSessions": 4 } }
\`\`\`

A name that is not known is an error, so a typing mistake never goes unnoticed. Errors name the line and the column.

A running server takes changes of the file, of \`PATCH /api/v1/config\` and of \`SIGHUP\`; the column "a change counts" says
from when on. [Changing settings while it runs](operations.md#changing-settings-while-it-runs) says how.

## Presets

Chosen with \`--preset\`, \`DH_LIVE_PRESET\`, \`preset\` in the file, or for one session with \`preset\` in \`POST /api/v1/sessions\`.

| | ${presets.map(({ name }) => name).join(' | ')} |
|---|${presets.map(() => '---|').join('')}
${keys.map(([label, show]) => `| ${label} | ${presets.map(show).join(' | ')} |`).join('\n')}

## Settings

| setting | type | default | what it is | a change counts | environment variable |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
  return format(text, { parser: 'markdown', printWidth: 120, singleQuote: true });
}

if (process.argv[1]?.endsWith('generate-docs.ts')) {
  const path = packagePath('docs/configuration.md');
  const page = await configurationPage();
  if (process.argv.includes('--check')) process.exitCode = readFileSync(path, 'utf8') === page ? 0 : 1;
  else writeFileSync(path, page);
}
