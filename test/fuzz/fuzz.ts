import { routesOf } from '../support/routes.js';
import { until, type TestServer } from '../support/server.js';
import type { Attack, Trial, World } from './attack.js';
import { FuzzRandom } from './fuzz-random.js';
import { httpAttack } from './http-attack.js';
import { endAttackers, rtcpAttack } from './rtcp-attack.js';
import { browserOffer, sdpAttack } from './sdp-attack.js';
import { attach, startTarget } from './target.js';
import { judgeGrowth, judgeViewer, type Verdict } from './verdict.js';
import { GOOD_SESSION, Watch } from './watch.js';
import { deleteViewer, postOffer, sdpOf } from './whep.js';
import { wsAttack } from './ws-attack.js';

type SeededAttack = (seed: number, step: number, world: World) => Promise<Trial>;

function seeded(name: string, attack: Attack): SeededAttack {
  return (seed, step, world) => attack(FuzzRandom.ofStep(seed, name, step), world);
}

/** Kinds of attack that run side by side, and how many of each at a time. */
export const ATTACKS = {
  http: { attack: seeded('http', httpAttack), workers: 2 },
  ws: { attack: seeded('ws', wsAttack), workers: 1 },
  sdp: { attack: seeded('sdp', sdpAttack), workers: 1 },
  rtcp: { attack: rtcpAttack, workers: 1 },
} as const satisfies Record<string, { attack: SeededAttack; workers: number }>;
export type AttackName = keyof typeof ATTACKS;

export interface FuzzOptions {
  forMs: number;
  seed: number;
  only: readonly AttackName[];
  /** Longest that a call may take, in ms. */
  limitMs: number;
  /** A running server to attack instead of one of its own, and its token. */
  at?: { url: string; token: string };
  /** Only this one step, of the one kind in `only`. */
  step?: number;
  say: (line: string) => void;
}

const TOKEN = 'correct horse battery';
/** Of one kind. */
const MAX_FAULTS_SHOWN = 3;
const MAX_SENT_SHOWN = 700;
/** A step that hangs beyond its own limits is given up, in ms. */
const STEP_LIMIT_MS = 120_000;
const PROGRESS_MS = 30_000;
/** A server that is well has let go of everything by then, in ms: connections, dead processes' figures. */
const SETTLE_MS = 75_000;
const SETTLED_FILES = 12;

/** Attacks a server of its own for a while. The faults that come back name the step to replay. */
export async function fuzz(options: FuzzOptions): Promise<Verdict> {
  const token = options.at?.token ?? TOKEN;
  const target = options.at ? await attach(options.at.url, token) : await startTarget({ token });
  const { server } = target;
  let ended: string | null = null;
  void server.exited.then((code) => (ended = `the server ended with ${code}`));
  const watch = new Watch(server, token);
  const run = new Run(options, await worldOf(server, token, options.limitMs));
  try {
    await watch.begin();
    const before = watch.samples.find(({ name }) => name === 'control')?.openFiles ?? Infinity;
    await run.all(() => ended !== null);
    const settled = ended === null && options.forMs >= 60_000 ? await settle(watch, before) : [];
    await watch.end();
    return conclude(run, watch, server, ended, settled);
  } finally {
    await endAttackers();
    await server.stop(ended === null ? 'SIGTERM' : 'SIGKILL');
    target.remove();
  }
}

/** The steps of all kinds: what they found and how often they got which answer. */
class Run {
  readonly faults: string[] = [];
  readonly counts = new Map<string, number>();
  faultCount = 0;
  steps = 0;
  readonly #options: FuzzOptions;
  readonly #world: World;

  constructor(options: FuzzOptions, world: World) {
    this.#options = options;
    this.#world = world;
  }

  async all(over: () => boolean): Promise<void> {
    const { forMs, only, say, step } = this.#options;
    if (step !== undefined) return this.#one(only[0]!, step, true);
    const end = performance.now() + forMs;
    const progress = setInterval(
      () =>
        say(`${Math.round((end - performance.now()) / 1000)} s to go: ${this.steps} steps, ${this.faultCount} faults`),
      PROGRESS_MS,
    );
    try {
      await Promise.all(
        only.flatMap((name) => {
          let next = 0;
          return Array.from({ length: ATTACKS[name].workers }, async () => {
            while (performance.now() < end && !over()) await this.#one(name, next++, false);
          });
        }),
      );
    } finally {
      clearInterval(progress);
    }
  }

  async #one(name: AttackName, step: number, loud: boolean): Promise<void> {
    const { seed, say } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end after ${STEP_LIMIT_MS} ms`)), STEP_LIMIT_MS);
    });
    let sent = '(not known)';
    let fault: string | null;
    try {
      const trial = await Promise.race([ATTACKS[name].attack(seed, step, this.#world), limit]);
      ({ sent, fault } = trial);
      const key = `${name} ${trial.outcome}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      if (loud) say(`${sent}\n→ ${trial.outcome}`);
    } catch (error) {
      fault = String(error);
    } finally {
      clearTimeout(timer);
    }
    this.steps += 1;
    if (fault === null) return;
    this.faultCount += 1;
    const same = this.faults.filter((line) => line.startsWith(`${fault}:`)).length;
    if (same < MAX_FAULTS_SHOWN) {
      this.faults.push(`${fault}: --seed ${seed} --only ${name} --step ${step}: ${brief(sent)}`);
    }
  }
}

/** Enough to know it by: the replay shows all. */
function brief(sent: string): string {
  return sent.length <= MAX_SENT_SHOWN ? sent : `${sent.slice(0, MAX_SENT_SHOWN)} … (${sent.length} characters)`;
}

async function worldOf(server: TestServer, token: string, limitMs: number): Promise<World> {
  const { hostname, port } = new URL(server.url);
  const world: World = {
    host: hostname,
    port: Number(port),
    token,
    sessions: ['main', 'main', 'main', 'main', 'fuzz-1'],
    mediaPort: 0,
    ids: [],
    routes: await routesOf(),
    limitMs,
  };
  world.mediaPort = await mediaPort(world);
  return world;
}

/** The UDP port, as an answer shows it. */
async function mediaPort(world: World): Promise<number> {
  const offer = browserOffer(FuzzRandom.ofStep(0, 'port', 0));
  const answer = await postOffer(world, 'main', Buffer.from(offer), '127.0.0.1');
  await deleteViewer(world, answer, '127.0.0.1');
  const port = Number(/^a=candidate:\S+ 1 udp \S+ \S+ (\d+)/im.exec(sdpOf(answer))?.[1]);
  if (!(port > 0)) throw new Error(`the server shows no media port: ${answer.text.slice(0, 500)}`);
  return port;
}

/** Waits until control holds no more open files than before, and says so when it still does. */
async function settle(watch: Watch, before: number): Promise<string[]> {
  const now = (): number => watch.samples.findLast(({ name }) => name === 'control')?.openFiles ?? 0;
  const quiet = await until(() => now() <= before + SETTLED_FILES, SETTLE_MS).catch(() => false);
  return quiet
    ? []
    : [`control still has ${now()} open files ${SETTLE_MS / 1000} s after the attack, ${before} before`];
}

function conclude(run: Run, watch: Watch, server: TestServer, ended: string | null, settled: string[]): Verdict {
  const growth = judgeGrowth(watch.samples);
  const viewer = judgeViewer(watch);
  const counts = [...run.counts].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => `${name} × ${count}`);
  const replaced = server.log.filter(({ msg }) => msg === 'stage replaced').map(({ reason }) => String(reason));
  // An alert is about the machine, or about a threshold that the attack has set.
  const errors = server.log.filter(({ level, msg }) => Number(level) >= 50 && msg !== 'alert.raised');
  const faults = [
    ...(ended === null ? [] : [`${ended}: ${JSON.stringify(server.log.slice(-3)).slice(0, 1000)}`]),
    ...(watch.restarts + replaced.length > 0
      ? [`a stage was replaced ${Math.max(watch.restarts, replaced.length)} times: ${replaced.join('; ')}`]
      : []),
    ...(watch.unanswered > 0 ? [`${watch.unanswered} questions for /stats had no answer in 30 s`] : []),
    ...run.faults,
    ...(run.faultCount > run.faults.length ? [`and ${run.faultCount - run.faults.length} more`] : []),
    ...errors.slice(0, 5).map((line) => `in the log: ${JSON.stringify(line).slice(0, 600)}`),
    ...settled,
    ...growth.faults,
    ...viewer.faults,
  ];
  return {
    figures: [
      `${run.steps} steps beside a viewer of "${GOOD_SESSION}": ${counts.join(', ')}`,
      `longest answer of /stats ${Math.round(watch.longestAnswerMs)} ms`,
      ...growth.figures,
      ...viewer.figures,
    ],
    faults,
  };
}
