import { AlertsAnswer, MemoryAnswer, StatsAnswer } from './answers.js';
import type { OwnerSample, Sample, Source } from './sample.js';
import { ServerApi } from './server-api.js';

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
  readonly #api: ServerApi;
  readonly #missing = new Set<string>();

  /** Throws `bad_request` when the address is none. */
  constructor(options: HttpSourceOptions) {
    this.#api = new ServerApi(options);
    this.subject = this.#api.origin;
  }

  async sample(): Promise<Sample> {
    const [stats, memory, alerts] = await Promise.all([
      this.#get('stats', false),
      this.#get('memory', true),
      this.#get('alerts', true),
    ]);
    const figures = StatsAnswer.safeParse(stats).data;
    if (!figures) throw this.#api.unreachable('Something else answers there.');
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
    const { status, body } = await this.#api.get(name);
    if (status === 200) return body;
    if (!optional) throw this.#api.unreachable(`It answers with status ${status}.`);
    // A call that the server does not have: it will not have it at the next sample either.
    if (status === 404) this.#missing.add(name);
    return null;
  }
}

/** All registry lines, the largest first. */
function ownersOf(memory: MemoryAnswer | null): OwnerSample[] {
  const owners = memory?.processes.flatMap(({ name, entries }) =>
    entries.map((entry) => ({ ...entry, process: name })),
  );
  return (owners ?? []).sort((a, b) => b.bytes - a.bytes).slice(0, MOST_OWNERS);
}
