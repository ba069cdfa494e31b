import { DhError } from '../errors.js';

/** An answer of the server: its status, and its body when that was JSON. */
export interface ServerAnswer {
  status: number;
  body: unknown;
}

/** A running server as the commands see it: its address, its token, and what is wrong when it cannot be had. */
export class ServerApi {
  /** Where it is, as in `http://127.0.0.1:8010`. */
  readonly origin: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  /** `url`: with or without `http://` and a path. Throws `bad_request` when it is no address. */
  constructor({ url, token, timeoutMs = 5_000 }: { url: string; token?: string | undefined; timeoutMs?: number }) {
    const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
    if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol) || new URL(address).port === '0') {
      throw new DhError('bad_request', `"${url}" is no address.`, {
        hint: 'Give it as in --url http://127.0.0.1:8010',
      });
    }
    this.origin = new URL(address).origin;
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#timeoutMs = timeoutMs;
  }

  /** Asks `GET /api/v1/<name>`. Throws `server_unreachable`, `unauthorized`; other answers are the caller's. */
  async get(name: string): Promise<ServerAnswer> {
    let status: number;
    let body: unknown = null;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const response = await fetch(`${this.origin}/api/v1/${name}`, { headers: this.#headers, signal });
      ({ status } = response);
      if (status === 200) body = await response.json();
      else await response.body?.cancel();
    } catch (error) {
      throw this.unreachable(reason(error), error);
    }
    if (status === 401) {
      throw new DhError('unauthorized', `${this.origin} asks for an access token, or for another one.`, {
        hint: 'Give the one of server.token: --token <token>',
      });
    }
    return { status, body };
  }

  /** That there is no server at the address; `why`: a whole sentence. */
  unreachable(why: string, cause?: unknown): DhError {
    return new DhError('server_unreachable', `There is no dh-live server at ${this.origin}. ${why}`, {
      hint: 'Is it running, and on that port? Start it with "npm start", or give its address: --url http://host:port',
      cause,
    });
  }
}

function reason(error: unknown): string {
  const { name, cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return 'It does not answer in time.';
  if (name === 'SyntaxError') return 'Something else answers there.';
  return `The connection failed (${cause?.code ?? cause?.message ?? message}).`;
}
