import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';
import { DhError, ERROR_CODES } from '../../src/errors.js';
import { createApp } from '../../src/server/http/app.js';
import type { ServerContext } from '../../src/server/http/context.js';

const read = (path: string): string => readFileSync(packagePath(path), 'utf8');

/** Every route of the server as `GET /path`, without those of static files. */
async function routes(): Promise<string[]> {
  const found = new Set<string>();
  const watch = (app: FastifyInstance): void => {
    app.addHook('onRoute', ({ method, url }) => {
      if (/\*|^\/favicon/.test(url)) return;
      for (const each of [method].flat()) if (each !== 'HEAD') found.add(`${each} ${url}`);
    });
  };
  // The routes are only listed: nothing is asked of what is behind them.
  const context = { metrics: { http: { watch } }, monitor: {} } as unknown as ServerContext;
  const app = await createApp(context);
  await app.ready();
  await app.close();
  return [...found].sort();
}

describe('docs/api.md', () => {
  it('has every call of the server, and no other', async () => {
    const calls = [...read('docs/api.md').matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE|OPTIONS) (\/[^ [`{]*)/gm)];
    expect(calls.map(([, method, path]) => `${method} ${path}`).sort()).toEqual(await routes());
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
