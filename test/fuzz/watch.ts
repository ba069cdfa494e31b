import { fork, type ChildProcess } from 'node:child_process';
import { packagePath } from '../../src/entry.js';
import type { Json, TestServer } from '../support/server.js';
import { procFigures } from './proc.js';
import type { WatchReport } from './stream-count.js';
import { callApi } from './target.js';

/** Session for viewers that attack: elsewhere offers that come to nothing would keep them out. */
export const HOSTILE_SESSION = 'hostile-viewers';
/** Session that only the good viewer watches. */
export const GOOD_SESSION = 'good-viewer';

/** One process at one time. */
export interface Sample {
  atMs: number;
  name: string;
  rssBytes: number;
  openFiles: number;
}

const INTERVAL_MS = 1000;
/** Longer pauses are told. */
const PAUSE_MS = 500;
/** Threads that lost this much of a second to other processes explain frames that were not made then. */
const STARVED_MS = 40;

/** Looks at the server from outside while it is attacked: its processes, its stages, and what the good viewer gets. */
export class Watch {
  readonly samples: Sample[] = [];
  /** Newest report of the good viewer; null before the first. */
  viewer: WatchReport | null = null;
  viewerEnded: string | null = null;
  restarts = 0;
  /** Frames of its session that the stage left out: while others had the CPU, and otherwise. */
  readonly skipped = { starved: 0, busy: 0 };
  /** Pauses of its sound, in ms, with how long the stage's threads had waited for a CPU around them. */
  readonly pauses: { ms: number; starvedMs: number }[] = [];
  /** Its session as the server saw it last. */
  session: { state: string; viewers: number } | null = null;
  /** Questions about the server's state that got no answer. */
  unanswered = 0;
  longestAnswerMs = 0;
  readonly #server: TestServer;
  readonly #token: string | null;
  readonly #beginAt = performance.now();
  readonly #starved = new Map<number, number>();
  #lastSkipped: number | null = null;
  #wasStarved = false;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #asking: Promise<void> = Promise.resolve();

  constructor(server: TestServer, token: string | null) {
    this.#server = server;
    this.#token = token;
  }

  /** Opens the good session, lets the viewer in, and begins to look. */
  async begin(): Promise<void> {
    const call = (method: string, path: string, body?: unknown) =>
      callApi(this.#server.url, this.#token, method, path, body);
    for (const id of [GOOD_SESSION, HOSTILE_SESSION]) {
      const made = await call('POST', '/api/v1/sessions', { id, preset: 'low' });
      if (made.status !== 201) throw new Error(`no session "${id}": ${await made.text()}`);
    }
    const path = `/api/v1/sessions/${GOOD_SESSION}`;
    // Its own settings, whatever happens to those of the server; all frames, also while nobody speaks.
    const changed = await call('PATCH', path, { session: { idleQuality: 'full' } });
    if (!changed.ok) throw new Error(`the good session cannot be set: ${await changed.text()}`);
    while ((((await (await call('GET', path)).json()) as Json).state as string) !== 'idle') await sleep(50);
    await this.#ask(); // what was left out before the viewer came is not counted
    const script = packagePath('test/fuzz/good-viewer-process.ts');
    const child = fork(script, [`${this.#server.url}/whep/${GOOD_SESSION}`], { execArgv: ['--import', 'tsx'] });
    this.#child = child;
    child.on('message', (report) => (this.viewer = report as WatchReport));
    child.once('exit', (code) => (this.viewerEnded = `its process ended with ${code}`));
    while (!(this.viewer && this.viewer.video.units > 25)) {
      if (this.viewerEnded !== null) throw new Error(`the good viewer sees nothing: ${this.viewerEnded}`);
      await sleep(50);
    }
    this.#timer = setInterval(() => {
      this.#asking = this.#asking.then(() => this.#ask());
    }, INTERVAL_MS);
  }

  /** Takes the last figures and ends the viewer. */
  async end(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#asking;
    // The server's figures after the viewer's: what it missed until then is in them.
    const last = this.viewer;
    const until = performance.now() + 2 * INTERVAL_MS;
    while (this.viewer === last && this.viewerEnded === null && performance.now() < until) await sleep(20);
    const { viewer } = this;
    await sleep(INTERVAL_MS / 2);
    await this.#ask();
    this.viewer = viewer;
    if (this.viewerEnded === null && this.viewer && this.viewer.state !== 'connected') {
      this.viewerEnded = `its connection is ${this.viewer.state}`;
    }
    this.#child?.removeAllListeners('exit').disconnect();
    for (const id of [GOOD_SESSION, HOSTILE_SESSION]) {
      await callApi(this.#server.url, this.#token, 'DELETE', `/api/v1/sessions/${id}`).catch(() => undefined);
    }
  }

  async #ask(): Promise<void> {
    const begin = performance.now();
    const atMs = begin - this.#beginAt;
    let stats: Json;
    try {
      stats = await (await callApi(this.#server.url, this.#token, 'GET', '/api/v1/stats')).json();
    } catch {
      this.unanswered += 1;
      return;
    }
    this.longestAnswerMs = Math.max(this.longestAnswerMs, performance.now() - begin);
    const processes = [{ name: 'control', pid: this.#server.pid }];
    let restarts = 0;
    for (const { index, pid, restarts: times } of stats.stages ?? []) {
      restarts += times;
      if (pid !== null) processes.push({ name: `stage-${index}`, pid });
    }
    this.restarts = restarts;
    let starvedMs = 0;
    for (const { name, pid } of processes) {
      const figures = procFigures(pid);
      if (figures === null) continue;
      this.samples.push({ atMs, name, rssBytes: figures.rssBytes, openFiles: figures.openFiles });
      if (name !== 'control')
        starvedMs = Math.max(starvedMs, figures.starvedMs - (this.#starved.get(pid) ?? figures.starvedMs));
      this.#starved.set(pid, figures.starvedMs);
    }
    const longest = this.viewer?.audio.longestGapMs ?? 0;
    if (longest > Math.max(PAUSE_MS, this.pauses.at(-1)?.ms ?? 0)) {
      this.pauses.push({ ms: longest, starvedMs: Math.round(starvedMs) });
    }
    const session = stats.sessions?.find(({ id }: Json) => id === GOOD_SESSION);
    this.session = session ? { state: session.state, viewers: session.viewers } : null;
    if (!session) return;
    const skipped = session.skippedFrames as number;
    const more = Math.max(0, skipped - (this.#lastSkipped ?? skipped));
    // The count comes with a heartbeat, which may be of the second before.
    const starved = starvedMs >= STARVED_MS;
    this.skipped[starved || this.#wasStarved ? 'starved' : 'busy'] += more;
    this.#wasStarved = starved;
    this.#lastSkipped = skipped;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
