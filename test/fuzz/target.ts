import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagePath } from '../../src/entry.js';
import { HEAP_FLAGS, MALLOC_ENV } from '../../src/malloc-env.js';
import { startServer, type TestServer } from '../support/server.js';

/** The compiled server as it ships, at the low preset, with folders of its own. */
export interface Target {
  server: TestServer;
  token: string | null;
  /** Its temporary folder: empty when it has ended as it should. */
  temp: string;
  /** Starts it again over what it left behind. */
  again(): Promise<TestServer>;
  /** Calls its API, with the token; the answer may take 30 s. */
  call(method: string, path: string, body?: unknown): Promise<Response>;
  /** Removes its folders; it has ended. */
  remove(): void;
}

/** Starts it. `env` comes on top of what keeps it apart from everything else. */
export async function startTarget(options: { token?: string; env?: Record<string, string> } = {}): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'dh-fuzz-'));
  const temp = join(folder, 'temp');
  const cacheDir = join(folder, 'data', 'avatars');
  mkdirSync(temp);
  mkdirSync(cacheDir, { recursive: true });
  // Drawn once for all tests; nothing else that another server has left there.
  const drawn = packagePath('.cache/avatars');
  const filter = (path: string): boolean => path === drawn || path.endsWith('.baked');
  if (existsSync(drawn)) cpSync(drawn, cacheDir, { recursive: true, filter });
  const start = (): Promise<TestServer> =>
    startServer({
      nodeArgs: HEAP_FLAGS,
      args: ['--preset', 'low'],
      env: {
        ...MALLOC_ENV,
        TMPDIR: temp,
        DH_LIVE_CACHE_DIR: cacheDir,
        DH_LIVE_LOG_LEVEL: 'info',
        DH_LIVE_STATS_INTERVAL_S: '0',
        DH_LIVE_LIMITS_MAX_SESSIONS: '5',
        DH_LIVE_RENDERS_MAX_WAITING: '2',
        ...(options.token === undefined ? {} : { DH_LIVE_SERVER_TOKEN: options.token }),
        ...options.env,
      },
    });
  let server: TestServer;
  try {
    server = await start();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const target: Target = {
    server,
    token: options.token ?? null,
    temp,
    again: async () => (target.server = await start()),
    call: (method, path, body) => callApi(target.server.url, target.token, method, path, body),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  return target;
}

/**
 * A server that runs already, of which only what its API says is known. Its settings are changed and its sessions used:
 * one to throw away.
 */
export async function attach(url: string, token: string): Promise<Target> {
  const call: Target['call'] = (method, path, body) => callApi(url, token, method, path, body);
  const stats = await call('GET', '/api/v1/stats');
  if (!stats.ok) throw new Error(`${url} does not let the fuzzer in: ${(await stats.text()).slice(0, 300)}`);
  const { processes } = (await stats.json()) as { processes: { name: string; pid: number }[] };
  const server: TestServer = {
    url,
    pid: processes.find(({ name }) => name === 'control')?.pid ?? 0,
    log: [],
    get: async (path) => (await call('GET', path)).json(),
    post: (path, body) => call('POST', path, body),
    stop: () => Promise.resolve({ code: null, tookMs: 0 }),
    exited: new Promise(() => undefined),
  };
  return { server, token, temp: '', call, again: () => Promise.resolve(server), remove: () => undefined };
}

export function callApi(
  url: string,
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  const file = Buffer.isBuffer(body) ? body : null;
  return fetch(url + path, {
    method,
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(file ? { 'Content-Type': 'audio/wav' } : body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(file ? { body: new Uint8Array(file) } : body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
}

/** What lies in a folder, at any depth. */
export function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
}
