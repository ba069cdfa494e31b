import { DhError } from '../errors.js';
import { AlertsAnswer, MemoryAnswer, StatsAnswer } from './answers.js';
import type { OwnerSample, Sample, Source } from './sample.js';

/** Registry lines that are kept of a sample. */
const MOST_OWNERS = 200;

export interface HttpSourceOptions {
  /** Address of the server, with or without a path. */
  url: string;
  token?: string | undefined;
  timeoutMs?: number;
}

/** Samples of a running server over its API. Calls that an older server does not have leave gaps. */
export class HttpSource implements Source {
  readonly subject: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;
  readonly #missing = new Set<string>();

  /** Throws `bad_request` when the address is none. */
  constructor({ url, token, timeoutMs = 5_000 }: HttpSourceOptions) {
    const address = /^https?:\/\//.test(url) ? url : `http://${url}`;
    if (!URL.canParse(address) || new URL(address).port === '0') {
      throw new DhError('bad_request', `"${url}" is no address.`, {
        hint: 'Give it as in --url http://127.0.0.1:8010',
      });
    }
    this.subject = new URL(address).origin;
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#timeoutMs = timeoutMs;
  }

  async sample(): Promise<Sample> {
    const [stats, memory, alerts] = await Promise.all([
      this.#get('stats', false),
      this.#get('memory', true),
      this.#get('alerts', true),
    ]);
    const figures = StatsAnswer.safeParse(stats).data;
    if (!figures) throw this.#unreachable('Something else answers there.');
    const guard = MemoryAnswer.safeParse(memory).data ?? null;
    const processes = figures.processes.map((one) => {
      const known = guard?.processes.find(({ name }) => name === one.name);
      const {
        level = null,
        step = null,
        baseBytes = null,
        accountedBytes = null,
        unaccountedBytes = null,
      } = known ?? {};
      return { ...one, level, step, baseBytes, accountedBytes, unaccountedBytes };
    });
    return {
      atMs: Date.now(),
      rssBytes: guard?.rssBytes ?? processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
      limitBytes: guard?.limitBytes ?? figures.memory.limitBytes,
      level: guard?.level ?? null,
      step: guard?.step ?? null,
      uptimeMs: figures.uptimeS === null ? null : figures.uptimeS * 1000,
      processes,
      owners: ownersOf(guard),
      sessions: figures.sessions.map(({ processingMs, queue, ...one }) => ({
        ...one,
        processingMsP50: processingMs.p50,
        processingMsP99: processingMs.p99,
        queueChunks: queue.length,
        queueCapacity: queue.capacity,
        drops: queue.drops,
      })),
      alerts: AlertsAnswer.safeParse(alerts).data?.active ?? [],
    };
  }

  close(): void {
    // Nothing is held between two samples.
  }

  async #get(name: string, optional: boolean): Promise<unknown> {
    if (this.#missing.has(name)) return null;
    let response: Response;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      response = await fetch(`${this.subject}/api/v1/${name}`, { headers: this.#headers, signal });
      if (response.status === 200) return await response.json();
      await response.body?.cancel();
    } catch (error) {
      throw this.#unreachable(reason(error), error);
    }
    if (response.status === 401) {
      throw new DhError('unauthorized', `${this.subject} asks for an access token, or for another one.`, {
        hint: 'Give the one of server.token: --token <token>',
      });
    }
    if (!optional) throw this.#unreachable(`It answers with status ${response.status}.`);
    // A call that the server does not have: it will not have it at the next sample either.
    if (response.status === 404) this.#missing.add(name);
    return null;
  }

  #unreachable(why: string, cause?: unknown): DhError {
    return new DhError('server_unreachable', `There is no dh-live server at ${this.subject}. ${why}`, {
      hint: 'Is it running, and on that port? Start it with "npm start", or give its address: --url http://host:port',
      cause,
    });
  }
}

function reason(error: unknown): string {
  const { name, cause, message } = error as Error & { cause?: { code?: string } };
  if (name === 'TimeoutError') return 'It does not answer in time.';
  if (name === 'SyntaxError') return 'Something else answers there.';
  return `The connection failed (${cause?.code ?? message}).`;
}

/** All registry lines, the largest first. */
function ownersOf(memory: MemoryAnswer | null): OwnerSample[] {
  const owners = memory?.processes.flatMap(({ name, entries }) =>
    entries.map((entry) => ({ ...entry, process: name })),
  );
  return (owners ?? []).sort((a, b) => b.bytes - a.bytes).slice(0, MOST_OWNERS);
}
