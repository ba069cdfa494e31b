import { EventLog, tone, until, wav, type Json } from '../support/server.js';
import { FuzzRandom } from './fuzz-random.js';
import { CHILD_KINDS, childrenOf, isAlive, type ChildKind } from './processes.js';
import { filesIn, startTarget, type Target } from './target.js';
import type { Verdict } from './verdict.js';

export interface ChaosOptions {
  forMs: number;
  seed: number;
  say: (line: string) => void;
}

/** An utterance that was accepted. */
interface Accepted {
  session: string;
  id: string;
  /** Length of its sound; null of a text. */
  soundMs: number | null;
  atMs: number;
}

const SESSIONS = ['main', 'second'];
const TEXTS = ['One.', 'One, two, three.', 'What was accepted is said, whatever dies meanwhile.'];
/** All that was accepted is said, and all that died is back, in this time after the last kill. */
const CALM_LIMIT_MS = 90_000;
const GONE_LIMIT_MS = 5000;
const END_EVENTS = ['utterance.ended', 'utterance.interrupted'];
/** More than this waits in no session, so that it is over soon. */
const MAX_WAITING = 3;
const MAX_RENDERS = 2;

/**
 * Kills the server's children at random moments while it speaks, takes uploads, draws and renders; then stops it, and
 * at last kills the server itself. Whatever it accepted must come to an end that is told, and nothing may be left.
 */
export async function chaos(options: ChaosOptions): Promise<Verdict> {
  const target = await startTarget();
  try {
    return await new Chaos(target, options).run();
  } finally {
    if (isAlive(target.server.pid)) await target.server.stop('SIGKILL');
    target.remove();
  }
}

class Chaos {
  readonly #target: Target;
  readonly #options: ChaosOptions;
  readonly #accepted: Accepted[] = [];
  readonly #events = new Map<string, EventLog>();
  readonly #kills: Partial<Record<ChildKind, number>> = {};
  readonly #done: Record<string, number> = {};
  readonly #faults: string[] = [];
  /** Calls may be cut off. */
  #stopping = false;
  /** All children that were ever seen. */
  readonly #pids = new Set<number>();

  constructor(target: Target, options: ChaosOptions) {
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<Verdict> {
    const { forMs, seed } = this.#options;
    await this.#call('POST', '/api/v1/sessions', { id: 'second', preset: 'low' });
    await until(() => this.#ready(), 30_000);
    for (const session of SESSIONS) this.#events.set(session, await EventLog.open(this.#target.server, session));
    const end = performance.now() + forMs;
    await Promise.all([
      this.#work(FuzzRandom.ofStep(seed, 'chaos work', 0), end),
      this.#kill(FuzzRandom.ofStep(seed, 'chaos kill', 0), end),
    ]);
    const tookMs = await this.#calm();
    this.#judgeUtterances();
    await this.#stop();
    await this.#crash();
    const never = CHILD_KINDS.filter((kind) => this.#kills[kind] === undefined);
    return {
      figures: [
        ...(never.length > 0 ? [`not killed, as none was there when it was its turn: ${never.join(', ')}`] : []),
        `did ${list(this.#done)}; killed ${list(this.#kills)}; ${this.#accepted.length} utterances accepted; calm after ${Math.round(tookMs)} ms`,
      ],
      faults: this.#faults.map((fault) => `${fault} (--only chaos --seed ${seed})`),
    };
  }

  /** Keeps the server busy with everything that children do. */
  async #work(random: FuzzRandom, end: number): Promise<void> {
    // So that there is something of each kind to kill from the beginning.
    await this.#render(random);
    await this.#speak('main', random);
    while (performance.now() < end) {
      const session = random.pick(SESSIONS);
      const what = random.between(0, 9);
      if (what < 4) await this.#speak(session, random);
      else if (what < 7) await this.#upload(session, random);
      else if (what < 8) await this.#resize(session, random);
      else if (what < 9) await this.#render(random);
      else if (random.chance(0.3)) await this.#call('POST', `/api/v1/sessions/${session}/interrupt`);
      await pause(random.between(50, 400));
    }
  }

  async #speak(session: string, random: FuzzRandom): Promise<void> {
    const body = { text: random.pick(TEXTS), interrupt: random.chance(0.1) };
    if (await this.#busy(session)) return;
    this.#accept(session, await this.#call('POST', `/api/v1/sessions/${session}/say`, body), null);
  }

  async #upload(session: string, random: FuzzRandom): Promise<void> {
    const soundMs = random.between(20, 70) * 20;
    if (await this.#busy(session)) return;
    this.#accept(
      session,
      await this.#call('POST', `/api/v1/sessions/${session}/audio`, wav(tone(soundMs / 1000))),
      soundMs,
    );
  }

  #accept(session: string, answer: { status: number; body: Json }, soundMs: number | null): void {
    if (answer.status === 202)
      this.#accepted.push({ session, id: answer.body.utteranceId, soundMs, atMs: performance.now() });
  }

  /** Another size: the avatar is drawn for it. */
  async #resize(session: string, random: FuzzRandom): Promise<void> {
    const height = 2 * random.between(50, 70);
    // Not waited for: a drawing that is killed is begun again, and the rest goes on meanwhile.
    void this.#call('PATCH', `/api/v1/sessions/${session}`, { session: { width: 2 * height, height } });
  }

  async #render(random: FuzzRandom): Promise<void> {
    const { body: renders } = await this.#call('GET', '/api/v1/renders');
    const open = Array.isArray(renders) ? renders.filter(({ state }) => state === 'running' || state === 'queued') : [];
    if (open.length >= MAX_RENDERS) return;
    const items = Array.from({ length: 4 }, (_, i) => ({ text: `${i}. ${random.pick(TEXTS)}` }));
    const how = random.chance(0.8) ? { avatar: 'presenter' } : {};
    await this.#call('POST', '/api/v1/renders', { items, size: '160x90', split: '2s', ...how });
  }

  /** Kills a child of a kind that is there, every second or so. */
  async #kill(random: FuzzRandom, end: number): Promise<void> {
    while (performance.now() < end) {
      await pause(random.between(200, 1500));
      const children = childrenOf(this.#target.server.pid);
      for (const { pid } of children) this.#pids.add(pid);
      const kinds = [...new Set(children.map(({ kind }) => kind))].sort();
      if (kinds.length === 0) continue;
      // Some kinds are there for moments only, parts of a render when that has lived for a while.
      const least = Math.min(...kinds.map((kind) => this.#kills[kind] ?? 0));
      const kind = random.pick(kinds.filter((kind) => (this.#kills[kind] ?? 0) === least || random.chance(0.2)));
      if (kind === 'render' && random.chance(0.7)) continue;
      const victim = random.pick(children.filter((child) => child.kind === kind));
      process.kill(victim.pid, 'SIGKILL');
      this.#kills[kind] = (this.#kills[kind] ?? 0) + 1;
    }
  }

  /** Waits until everything that was accepted has ended; says for how long. */
  async #calm(): Promise<number> {
    const begin = performance.now();
    const calm = await until(async () => {
      const { body: sessions } = await this.#call('GET', '/api/v1/sessions');
      const idle = SESSIONS.every((id) => sessions.find((session: Json) => session.id === id)?.state === 'idle');
      return idle && this.#accepted.every((each) => this.#endsOf(each).length > 0) && (await this.#ready());
    }, CALM_LIMIT_MS).catch(() => false);
    if (!calm) {
      const { body: sessions } = await this.#call('GET', '/api/v1/sessions');
      const states = sessions.map(({ id, state, waiting }: Json) => `${id} is ${state}, ${waiting} wait`);
      this.#faults.push(`not calm ${CALM_LIMIT_MS / 1000} s after the last kill: ${states.join('; ')}`);
    }
    const { body: renders } = await this.#call('GET', '/api/v1/renders');
    for (const { id, state, error } of renders) {
      if (state === 'failed' && error?.code !== 'task_crashed') {
        this.#faults.push(`render ${id} failed with ${JSON.stringify(error)}, not task_crashed`);
      }
    }
    await this.#dropRenders();
    return performance.now() - begin;
  }

  async #dropRenders(): Promise<void> {
    const { body: renders } = await this.#call('GET', '/api/v1/renders');
    for (const { id } of renders) await this.#call('DELETE', `/api/v1/renders/${id}`);
  }

  #judgeUtterances(): void {
    for (const each of this.#accepted) {
      const ends = this.#endsOf(each);
      const [end] = ends;
      if (!end) this.#faults.push(`${this.#nameOf(each)} was accepted and never ended`);
      else if (ends.length > 1) this.#faults.push(`${this.#nameOf(each)} ended ${ends.length} times`);
      else if (each.soundMs !== null && end.name === 'utterance.ended' && !this.#warned(each)) {
        const lostMs = each.soundMs - end.data.playedMs;
        if (Math.abs(lostMs) > 1) this.#faults.push(`${lostMs} of ${each.soundMs} ms of an upload were not said`);
      }
    }
    for (const line of this.#target.server.log.filter(({ level }) => Number(level) >= 50).slice(0, 3)) {
      this.#faults.push(`in the log: ${JSON.stringify(line).slice(0, 500)}`);
    }
  }

  /** With what its session told after it was accepted. */
  #nameOf({ session, soundMs, atMs, id }: Accepted): string {
    const what = soundMs === null ? 'a text' : `an upload of ${soundMs} ms`;
    const later = (this.#events.get(session)?.events ?? []).filter((event) => event.atMs > atMs).slice(0, 8);
    const told = later.map(
      ({ name, data }) => `${name} ${data.state ?? data.code ?? String(data.utteranceId).slice(0, 8)}`,
    );
    return `${what} (${id.slice(0, 8)}) in "${session}", then ${told.join(', ')},`;
  }

  #endsOf({ session, id }: Accepted) {
    const events = this.#events.get(session)?.events ?? [];
    return events.filter(({ name, data }) => END_EVENTS.includes(name) && data.utteranceId === id);
  }

  /** Whether the session said that something of it was lost. */
  #warned({ session, id }: Accepted): boolean {
    const events = this.#events.get(session)?.events ?? [];
    return events.some(({ name, data }) => name === 'warning' && data.utteranceId === id);
  }

  /** Ends the server while it speaks, draws and renders: nothing is left of it. */
  async #stop(): Promise<void> {
    const random = FuzzRandom.ofStep(this.#options.seed, 'chaos stop', 0);
    await this.#render(random);
    await this.#speak('main', random);
    await this.#resize('second', random);
    await pause(random.between(0, 800));
    for (const { pid } of childrenOf(this.#target.server.pid)) this.#pids.add(pid);
    for (const log of this.#events.values()) log.close();
    this.#stopping = true;
    const { code } = await this.#target.server.stop();
    if (code !== 0) this.#faults.push(`SIGTERM ended the server with ${code}`);
    await this.#nothingLives('SIGTERM');
    const left = filesIn(this.#target.temp);
    if (left.length > 0) this.#faults.push(`left in the temporary folder: ${left.slice(0, 5).join(', ')}`);
  }

  /** Kills the server itself: its children end, and the next one goes on with the render and tidies up. */
  async #crash(): Promise<void> {
    const random = FuzzRandom.ofStep(this.#options.seed, 'chaos crash', 0);
    await this.#target.again();
    this.#stopping = false;
    await this.#upload('main', random);
    await this.#dropRenders();
    const items = Array.from({ length: 6 }, (_, i) => ({ text: `${i}. ${TEXTS[2]}` }));
    const made = await this.#call('POST', '/api/v1/renders', { items, size: '160x90' });
    const id = made.body?.id as string;
    await until(async () => (await this.#call('GET', `/api/v1/renders/${id}`)).body.state !== 'queued', 20_000);
    await pause(random.between(0, 1000));
    for (const { pid } of childrenOf(this.#target.server.pid)) this.#pids.add(pid);
    await this.#target.server.stop('SIGKILL');
    await this.#nothingLives('SIGKILL');
    await this.#target.again();
    const view = await until(async () => {
      const { body } = await this.#call('GET', `/api/v1/renders/${id}`);
      return body.state === 'done' || body.state === 'failed' || body.error ? body : null;
    }, 60_000).catch(() => ({ state: 'still running after 60 s' }));
    if (view?.state !== 'done')
      this.#faults.push(`the render that a crash interrupted is ${JSON.stringify(view).slice(0, 300)}`);
    await this.#target.server.stop();
    const left = filesIn(this.#target.temp);
    if (left.length > 0)
      this.#faults.push(`left in the temporary folder after a crash: ${left.slice(0, 5).join(', ')}`);
  }

  async #nothingLives(after: string): Promise<void> {
    const gone = await until(() => ![...this.#pids].some(isAlive), GONE_LIMIT_MS).catch(() => false);
    const living = [...this.#pids].filter(isAlive);
    if (!gone) this.#faults.push(`${living.length} children still live ${GONE_LIMIT_MS / 1000} s after ${after}`);
    // What was found is not to disturb what follows.
    for (const pid of living) process.kill(pid, 'SIGKILL');
    this.#pids.clear();
  }

  async #busy(session: string): Promise<boolean> {
    return ((await this.#call('GET', `/api/v1/sessions/${session}`)).body?.waiting ?? 0) >= MAX_WAITING;
  }

  async #ready(): Promise<boolean> {
    return (await fetch(`${this.#target.server.url}/readyz`)).ok;
  }

  /** A call whose answer may be any, but must come. */
  async #call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }> {
    const what = `${method} ${path.replace(/[0-9a-f-]{36}/, ':id')}`;
    try {
      const response = await this.#target.call(method, path, body);
      const text = await response.text();
      if (method !== 'GET') this.#done[what] = (this.#done[what] ?? 0) + 1;
      if (text.includes('"code":"internal"')) this.#faults.push(`${what}: ${text.slice(0, 300)}`);
      return { status: response.status, body: text === '' ? null : JSON.parse(text) };
    } catch (error) {
      if (!this.#stopping) this.#faults.push(`${what}: ${String(error)}`);
      return { status: 0, body: null };
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} × ${count}`).join(', '); // prettier-ignore
}
