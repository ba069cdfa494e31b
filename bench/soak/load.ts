/** What a soak does to a server: everything that clients do, and much that they should not do. */
import { WebSocket } from 'ws';
import { tone, wav, type TestServer } from '../../test/support/server.js';
import { sleep } from '../lib/machine.js';
import type { SeededRandom } from '../lib/random.js';
import { ANSWERS } from '../lib/sentences.js';
import { WireViewer } from '../lib/wire-viewer.js';

/** Two engines, hence two very different owners of memory. */
const VOICES = ['slt', 'espeak-en-us'] as const;
const AVATARS = ['presenter', 'robot'] as const;
const PRESETS = ['low', 'low', 'low', 'default'] as const;
const MOST_SESSIONS = 3;
const MOST_VIEWERS = 4;
const RATE_HZ = 16_000;

interface Watching {
  session: string;
  viewer: WireViewer;
}

/** Drives one server. Whatever answers differently than it must is kept in `errors`. */
export class SoakLoad {
  readonly errors: string[] = [];
  /** How often each thing was done. */
  readonly done: Record<string, number> = {};
  readonly #server: TestServer;
  readonly #random: SeededRandom;
  readonly #sessions = ['main'];
  readonly #watching: Watching[] = [];
  #created = 0;

  readonly #actions: readonly (readonly [weight: number, name: string, act: () => Promise<void>])[] = [
    [10, 'say', () => this.#say()],
    [4, 'interrupt', () => this.#interrupt()],
    [3, 'pushed PCM', () => this.#push()],
    [3, 'upload', () => this.#upload()],
    [5, 'viewer comes', () => this.#watch()],
    [4, 'viewer leaves', () => this.#leave(this.#random.between(0, 7))],
    [2, 'session opens', () => this.#open()],
    [2, 'session closes', () => this.#close(this.#random.between(1, 7))],
    [2, 'session changes', () => this.#change()],
    [1, 'settings change', () => this.#configure()],
    [4, 'bad input', () => this.#misbehave()],
    [4, 'silence', () => sleep(this.#random.between(500, 3000))],
  ];

  constructor(server: TestServer, random: SeededRandom) {
    this.#server = server;
    this.#random = random;
  }

  /** Does one thing at random, then another, until `over()`. */
  async run(over: () => boolean): Promise<void> {
    const sum = this.#actions.reduce((total, [weight]) => total + weight, 0);
    while (!over()) {
      let at = this.#random.next() * sum;
      const [, name, act] = this.#actions.find(([weight]) => (at -= weight) < 0) ?? this.#actions[0]!;
      this.done[name] = (this.done[name] ?? 0) + 1;
      try {
        await act();
      } catch (error) {
        this.errors.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await sleep(this.#random.between(50, 800));
    }
  }

  /** Back to what it was before: one session, as it came, that says nothing, nobody watches. */
  async settle(): Promise<void> {
    while (this.#watching.length > 0) await this.#leave(0);
    while (this.#sessions.length > 1) await this.#close(1);
    await this.#call('PATCH', '/api/v1/sessions/main', { avatar: 'presenter', preset: 'default' }, [200]);
    for (let i = 0; i < 40; i++) {
      const answer = (await this.#server.get('/api/v1/sessions/main')) as { waiting: number; state: string };
      if (answer.waiting === 0 && answer.state === 'idle') return;
      await this.#call('POST', '/api/v1/sessions/main/interrupt', undefined, [200]);
      await sleep(100);
    }
    this.errors.push('the session main does not come to rest');
  }

  async #say(): Promise<void> {
    const text = Array.from({ length: this.#random.between(1, 3) }, () => this.#random.pick(ANSWERS)).join(' ');
    const body = { text, voice: this.#random.pick(VOICES), interrupt: this.#random.next() < 0.3 };
    await this.#call('POST', `${this.#anySession()}/say`, body, [202, 409, 429, 503]);
  }

  async #interrupt(): Promise<void> {
    await this.#call('POST', `${this.#anySession()}/interrupt`, undefined, [200, 409]);
  }

  /** Up to 2 s of sound as fast as real time, or faster; ended as it should be, or the line just breaks. */
  async #push(): Promise<void> {
    const socket = new WebSocket(
      `${this.#server.url.replace('http', 'ws')}${this.#anySession()}/audio?rate=${RATE_HZ}`,
    );
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    // The server may end it while the session closes.
    socket.on('error', () => undefined);
    await Promise.race([new Promise((resolve) => socket.once('open', resolve)), closed]);
    const sound = tone(0.1, RATE_HZ, this.#random.between(100, 1000));
    const chunks = this.#random.between(2, 20);
    const pause = this.#random.pick([0, 100]);
    for (let i = 0; i < chunks && socket.readyState === WebSocket.OPEN; i++) {
      socket.send(Buffer.from(sound.buffer));
      await sleep(pause);
    }
    if (socket.readyState === WebSocket.OPEN && this.#random.next() < 0.5) socket.send('{"type":"end"}');
    if (this.#random.next() < 0.5) socket.terminate();
    else socket.close();
    await Promise.race([closed, sleep(2000)]);
  }

  async #upload(): Promise<void> {
    const rate = this.#random.pick([8000, 22_050, 44_100]);
    await this.#raw(`${this.#anySession()}/audio`, 'audio/wav', wav(tone(this.#random.between(1, 3), rate), rate), [202, 409, 429, 503]); // prettier-ignore
  }

  async #watch(): Promise<void> {
    if (this.#watching.length >= MOST_VIEWERS) return;
    const session = this.#random.pick(this.#sessions);
    try {
      this.#watching.push({ session, viewer: await WireViewer.open(`${this.#server.url}/whep/${session}`) });
    } catch (error) {
      // Closed meanwhile by another actor, or still starting.
      if (!/^(404|409|503)/.test((error as Error).message)) throw error;
    }
  }

  async #leave(index: number): Promise<void> {
    const [gone] = this.#watching.splice(index % Math.max(1, this.#watching.length), 1);
    await gone?.viewer.close();
  }

  async #open(): Promise<void> {
    if (this.#sessions.length >= MOST_SESSIONS) return;
    const id = `soak-${++this.#created}`;
    this.#sessions.push(id);
    const body = { id, preset: this.#random.pick(PRESETS), avatar: this.#random.pick(AVATARS) };
    const status = await this.#call('POST', '/api/v1/sessions', body, [201, 503]);
    if (status !== 201) this.#sessions.splice(this.#sessions.indexOf(id), 1);
  }

  async #close(index: number): Promise<void> {
    if (this.#sessions.length < 2) return;
    const [id] = this.#sessions.splice(1 + (index % (this.#sessions.length - 1)), 1);
    await this.#call('DELETE', `/api/v1/sessions/${id}`, undefined, [204]);
    for (const { session, viewer } of [...this.#watching]) {
      if (session !== id) continue;
      this.#watching.splice(this.#watching.findIndex((one) => one.viewer === viewer), 1); // prettier-ignore
      await viewer.close();
    }
  }

  async #change(): Promise<void> {
    const change = this.#random.pick([
      { avatar: this.#random.pick(AVATARS) },
      { preset: this.#random.pick(PRESETS) },
      { session: { bitrateKbps: this.#random.between(500, 2500) } },
      { session: { maxQueueSize: this.#random.between(2, 5) } },
    ]);
    await this.#call('PATCH', this.#anySession(), change, [200, 404, 409, 503]);
  }

  async #configure(): Promise<void> {
    const change = this.#random.pick([
      { logLevel: this.#random.pick(['info', 'warn']) },
      { limits: { maxPendingUtterances: this.#random.between(16, 64) } },
      { session: { idleQuality: this.#random.pick(['full', 'half', 'low']) } },
      { memory: { imageCacheMb: this.#random.between(50, 200) } },
    ]);
    await this.#call('PATCH', '/api/v1/config', change, [200]);
  }

  /** What must be refused with a word, and cost nothing. */
  async #misbehave(): Promise<void> {
    const session = this.#anySession();
    const noise = Buffer.from(Uint8Array.from({ length: 20_000 }, () => this.#random.between(0, 255)));
    const say = (body: unknown) => this.#call('POST', `${session}/say`, body, [400, 404, 413, 422]);
    await this.#random.pick([
      () => say({ text: '' }),
      () => say({ text: 'x'.repeat(6000) }),
      () => say({ text: 'Hello.', voice: 'nobody' }),
      () => say({ words: 'Hello.' }),
      () => this.#raw(`${session}/say`, 'application/json', Buffer.from('{"text":'), [400, 404]),
      () => this.#raw(`${session}/audio`, 'audio/wav', noise, [400, 404, 415, 422]),
      () =>
        this.#raw(`${session}/audio`, 'audio/wav', wav(tone(1), RATE_HZ, 2e9).subarray(0, 30), [400, 404, 415, 422]),
      () => this.#raw('/whep/main', 'application/sdp', Buffer.from('v=0\r\nm=video 9\r\n'), [409, 422]),
      () => this.#raw('/whep/nowhere', 'application/sdp', noise, [404, 422]),
      () => this.#call('POST', '/api/v1/sessions', { id: '../x' }, [400]),
      () => this.#call('POST', '/api/v1/sessions', { preset: 'none' }, [400, 404, 422]),
      () => this.#call('PATCH', '/api/v1/config', { memory: { maxMemoryMb: -1 } }, [400, 422]),
      () => this.#call('PATCH', session, { session: { width: 3 } }, [400, 404, 422]),
      () => this.#call('DELETE', '/api/v1/sessions/nowhere', undefined, [404]),
      () => this.#brokenSocket(session),
    ])();
  }

  /** Bytes that are no whole samples, text that is no JSON, and away. */
  async #brokenSocket(session: string): Promise<void> {
    const socket = new WebSocket(`${this.#server.url.replace('http', 'ws')}${session}/audio?rate=${RATE_HZ}`);
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await Promise.race([new Promise((resolve) => socket.once('open', resolve)), closed]);
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(Buffer.alloc(333, 7));
      socket.send('{no json');
    }
    await Promise.race([closed, sleep(200)]);
    socket.terminate();
    await Promise.race([closed, sleep(2000)]);
  }

  #anySession(): string {
    return `/api/v1/sessions/${this.#random.pick(this.#sessions)}`;
  }

  async #call(method: string, path: string, body: unknown, allowed: readonly number[]): Promise<number> {
    const json =
      body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    return this.#expect(await fetch(this.#server.url + path, { method, ...json }), `${method} ${path}`, body, allowed);
  }

  async #raw(path: string, type: string, body: Buffer, allowed: readonly number[]): Promise<number> {
    const init = { method: 'POST', headers: { 'Content-Type': type }, body: new Uint8Array(body) };
    return this.#expect(await fetch(this.#server.url + path, init), `POST ${path}`, type, allowed);
  }

  /** Another actor may have closed the session meanwhile: 404 for one that is gone is as it should be. */
  async #expect(response: Response, what: string, sent: unknown, allowed: readonly number[]): Promise<number> {
    const { status } = response;
    const text = await response.text();
    const goneSession = status === 404 && /sessions\/soak-/.test(what);
    if (!allowed.includes(status) && !goneSession) {
      const given = JSON.stringify(sent)?.slice(0, 100) ?? '';
      this.errors.push(`${what} ${given}: ${status} ${text.slice(0, 200)}`);
    }
    return status;
  }
}
