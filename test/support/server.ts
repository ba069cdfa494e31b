import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packagePath } from '../../src/entry.js';

export interface TestServer {
  url: string;
  pid: number;
  /** Log lines so far, parsed. */
  log: Record<string, unknown>[];
  get(path: string): Promise<Json>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Ends it and gives the exit code and how long it took, in ms. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; tookMs: number }>;
  /** Resolves when the process is gone. */
  exited: Promise<number | null>;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are looked at field by field in tests
export type Json = any;

/** Starts the compiled server on free ports and waits until its session `main` is live. */
export async function startServer(
  options: { args?: string[]; env?: Record<string, string>; nodeArgs?: readonly string[] } = {},
): Promise<TestServer> {
  // Avatars are drawn once for all tests; what a server renders is no other's.
  const renders = mkdtempSync(join(tmpdir(), 'dh-test-renders-'));
  const shared = { DH_LIVE_CACHE_DIR: packagePath('.cache/avatars'), DH_LIVE_RENDERS_DATA_DIR: renders };
  const child: ChildProcess = spawn(
    process.execPath,
    [...(options.nodeArgs ?? []), packagePath('dist/cli.js'), 'serve', '--port', '0', ...(options.args ?? [])],
    {
      env: {
        ...process.env,
        DH_LIVE_STAGES_FIRST_PORT: '0',
        ...(options.env?.['DH_LIVE_CACHE_DIR'] === undefined ? shared : {}),
        DH_LIVE_LOG_LEVEL: 'debug',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const log: Record<string, unknown>[] = [];
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  void exited.then(() => rmSync(renders, { recursive: true, force: true }));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      let entry: Record<string, unknown>;
      try {
        entry = JSON.parse(line) as Record<string, unknown>;
      } catch {
        return;
      }
      log.push(entry);
      const found = /watch (http:\S+?)\/ /.exec(String(entry['msg']));
      if (found?.[1]) resolve(found[1]);
    });
    void exited.then((code) => reject(new Error(`the server ended with ${code}: ${JSON.stringify(log.slice(-3))}`)));
  });
  const get = async (path: string): Promise<Json> => (await fetch(url + path)).json();
  const server: TestServer = {
    url,
    pid: child.pid!,
    log,
    exited,
    get,
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        ...(body === undefined
          ? { headers }
          : { headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) }),
      }),
    stop: async (signal = 'SIGTERM') => {
      const begin = performance.now();
      child.kill(signal);
      return { code: await exited, tookMs: performance.now() - begin };
    },
  };
  await until(async () => (await fetch(`${url}/readyz`)).ok, 60_000);
  return server;
}

/** Asks again every 20 ms until the answer is truthy. Throws after `limitMs`. */
export async function until<T>(ask: () => T | Promise<T>, limitMs = 10_000): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`not so after ${limitMs} ms: ${ask.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface SessionEvent {
  name: string;
  data: Json;
  atMs: number;
}

/** Follows server-sent events, of a session or of the server. */
export class EventLog {
  readonly events: SessionEvent[] = [];
  readonly #abort = new AbortController();

  static async open(server: TestServer, session = 'main'): Promise<EventLog> {
    const log = await EventLog.#follow(`${server.url}/api/v1/sessions/${session}/events`);
    await log.next('state');
    return log;
  }

  /** Follows what the whole server tells. */
  static ofServer(server: TestServer): Promise<EventLog> {
    return EventLog.#follow(`${server.url}/api/v1/events`);
  }

  static async #follow(url: string): Promise<EventLog> {
    const log = new EventLog();
    const response = await fetch(url, { signal: log.#abort.signal });
    void log.#read(response).catch(() => undefined);
    return log;
  }

  /** The first event of that name after position `from`, as soon as it is there. */
  next(name: string, where: (data: Json) => boolean = () => true, limitMs = 15_000): Promise<SessionEvent> {
    return until(() => this.events.find((event) => event.name === name && where(event.data))!, limitMs);
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/m.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (name) this.events.push({ name, data: JSON.parse(data ?? '{}'), atMs: performance.now() });
      }
    }
  }
}

/** A WAV file, 16-bit mono. */
export function wav(samples: Int16Array, rateHz = 16_000, claimedBytes = samples.byteLength): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + claimedBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rateHz, 24);
  header.writeUInt32LE(rateHz * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(claimedBytes, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]);
}

/** A tone, 16-bit mono. */
export function tone(seconds: number, rateHz = 16_000, hz = 220, level = 0.3): Int16Array {
  return Int16Array.from({ length: Math.round(seconds * rateHz) }, (_, i) =>
    Math.round(32_767 * level * Math.sin((2 * Math.PI * hz * i) / rateHz)),
  );
}
