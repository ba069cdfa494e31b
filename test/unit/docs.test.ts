import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { DhError, ERROR_CODES } from '../../src/errors.js';
import { routesOf } from '../support/routes.js';

const read = (path: string): string => readFileSync(packagePath(path), 'utf8');

describe('docs/api.md', () => {
  it('has every call of the server, and no other', async () => {
    const calls = [...read('docs/api.md').matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE|OPTIONS) (\/[^ [`{]*)/gm)];
    expect(calls.map(([, method, path]) => `${method} ${path}`).sort()).toEqual(await routesOf());
  });

  it('has every error with its status, and whether the call can be made again', () => {
    const rows = [...read('docs/api.md').matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (yes)? +\|/gm)];
    const documented = rows.map(([, code, status, again]) => [code, Number(status), again !== undefined]);
    const real = ERROR_CODES.map((code) => [code, new DhError(code, '').status, new DhError(code, '').retryable]);
    expect(documented).toEqual(real);
  });
});

describe('docs/architecture.md', () => {
  const folders = [...read('docs/architecture.md').matchAll(/^\| `src\/(\w+)` /gm)].map(([, name]) => name ?? '');

  it('says what each folder is for', () => {
    const real = readdirSync(packagePath('src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect([...folders].sort()).toEqual(real.map(({ name }) => name).sort());
  });

  it('lists them in such an order that none imports one after it', () => {
    const backwards = folders.flatMap((folder, place) =>
      readdirSync(packagePath(`src/${folder}`), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .flatMap((name) => {
          const path = join('src', folder, name);
          const up = '../'.repeat(path.split(/[\\/]/).length - 2);
          return [...read(path).matchAll(/(?:from|import\() ?'((?:\.\.\/)+)(\w+)\//g)]
            .filter(([, dots, other]) => dots === up && folders.indexOf(other ?? '') > place)
            .map(([, , other]) => `${path} imports src/${other}`);
        }),
    );
    expect(backwards).toEqual([]);
  });
});
