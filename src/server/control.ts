import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { BakeService } from '../avatar/bake-service.js';
import { Catalogue } from '../avatar/catalogue.js';
import { avatarFolders } from '../config/load.js';
import type { LiveConfig } from '../config/live-config.js';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { contractLine, type MemoryContract } from '../guard/memory-contract.js';
import { cleanups, onCleanup } from '../guard/cleanups.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import { memoryScope } from '../guard/memory-scope.js';
import { MediaClient } from '../media/media-client.js';
import { UploadStore } from '../media/upload-store.js';
import { SpeechService } from '../speech/speech-service.js';
import type { WorkFigures } from '../tasks/work-figures.js';
import { WorkerPools } from '../tasks/worker-pools.js';
import { SAMPLE_RATE, type Clock, type SpeechPiece } from '../units.js';
import { applyConfig } from './apply-config.js';
import { AudioSockets } from './audio-socket.js';
import { createApp } from './http/app.js';
import type { ServerContext } from './http/context.js';
import { Renders } from './renders/renders.js';
import { ChildTaskRunner } from './renders/task-runner.js';
import { ServerMetrics } from './metrics/server-metrics.js';
import { IdleQualityCap } from './idle-quality-cap.js';
import { contractOf } from './server-contract.js';
import { ServerEvents } from './server-events.js';
import { ServerMemory } from './server-memory.js';
import { ServerOptimizer, type ChosenPreset } from './server-optimizer.js';
import { ServerMonitor } from './server-monitor.js';
import { ServerStats } from './server-stats.js';
import { SessionRegistry } from './session-registry.js';
import { startStatsLine } from './stats-line.js';
import { Supervisor } from './supervisor.js';

export interface ControlOptions {
  config: LiveConfig;
  cacheDir: string;
  /** The preset, when the server was asked to choose one. */
  chosen?: ChosenPreset | null;
  log: Logger;
  clock: Clock;
}

/** Most time that a graceful stop takes, in ms. */
const SHUTDOWN_LIMIT = 3_000;

/** The control process: everything but the frame loop and the viewers' connections. */
export class Control {
  readonly #options: ControlOptions;
  readonly #pools: WorkerPools;
  readonly #drawing: WorkFigures;
  readonly #decoding: WorkFigures;
  readonly #speech: SpeechService;
  readonly #media: MediaClient;
  readonly #uploads: UploadStore;
  readonly #bakes: BakeService;
  #contract: MemoryContract;
  readonly #supervisor: Supervisor;
  readonly #stats: ServerStats;
  readonly #memory: ServerMemory;
  readonly #monitor: ServerMonitor;
  readonly #optimizer: ServerOptimizer;
  readonly #metrics: ServerMetrics;
  readonly #events = new ServerEvents();
  readonly #temp: string;
  readonly sessions: SessionRegistry;
  readonly #renderRunner: ChildTaskRunner;
  #renders: Renders | null = null;
  #app: FastifyInstance | null = null;
  #sockets: AudioSockets | null = null;
  #statsLine: { close(): void } | null = null;
  #unapply: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #onStopRequest: (reason: string) => void = () => undefined;

  private constructor(options: ControlOptions, contract: MemoryContract, supervisor: Supervisor, temp: string) {
    const { clock, log } = options;
    this.#options = options;
    this.#pools = new WorkerPools({ clock });
    const config = this.#config;
    this.#contract = contract;
    this.#supervisor = supervisor;
    this.#temp = temp;
    this.#speech = new SpeechService({
      pools: this.#pools,
      maxCharacters: () => this.#config.limits.maxTextChars,
      ...(config.voice === undefined ? {} : { warmVoices: [config.voice] }),
    });
    this.#renderRunner = new ChildTaskRunner({
      concurrency: config.renders.concurrency,
      maxWaiting: () => this.#config.renders.maxWaiting,
    });
    this.#media = new MediaClient({ memoryLimitMb: contract.division.mediaBytes / 1e6 });
    // A process that waits for the next file is the first that can go.
    onCleanup(() => this.#media.endIdle(), { atHardLevel: true });
    this.#uploads = new UploadStore({ dir: temp, maxBytes: () => this.#config.limits.maxUploadMb * 1e6 });
    const catalogue = new Catalogue(avatarFolders(config));
    this.#bakes = new BakeService({
      cacheDir: options.cacheDir,
      avatarsDirs: avatarFolders(config),
      memoryLimitBytes: contract.division.bakeBytes,
    });
    this.#drawing = this.#pools.processWork('pictures', () => ({
      processes: this.#bakes.pid === null ? 0 : 1,
      waiting: 0,
    }));
    this.#decoding = this.#pools.processWork('decode', () => {
      const { pid, waiting } = this.#media.stats();
      return { processes: pid === null ? 0 : 1, waiting };
    });
    this.sessions = new SessionRegistry({
      config: () => this.#config,
      supervisor,
      admit: (profile) => {
        this.#memory.admit('session', supervisor.stages);
        this.#optimizer.admit(profile);
      },
      accepts: (stage, profile) => this.#memory.accepts(stage) && this.#optimizer.fits(stage, profile),
      checkAvatar: async (name) => void (await catalogue.resolve(name)),
      checkVoice: (voice) => void this.#speech.plan({ text: 'a', voice }),
      bake: (avatar, { width, height }) => this.#bake(avatar, width, height),
    });
    this.#stats = new ServerStats({
      sessions: this.sessions,
      supervisor,
      otherPids: () =>
        [
          { name: 'media', pid: this.#media.pid },
          { name: 'bake', pid: this.#bakes.pid },
        ].flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }])),
      trees: () =>
        this.#renderRunner.processes().map(({ slot, ...figures }) => ({ name: `render-${slot}`, ...figures })),
      memory: () => this.#memory.summary(),
      memoryLimitBytes: () => this.contract.limitMb * 1e6,
      pools: () => this.#pools.stats(),
      clock,
    });
    const idleQuality = new IdleQualityCap(supervisor.stages);
    this.#optimizer = new ServerOptimizer({
      config: () => this.#config,
      contract: () => this.#contract,
      cores: availableParallelism(),
      cacheDir: options.cacheDir,
      chosen: options.chosen ?? null,
      sessions: () => this.sessions,
      stages: supervisor.stages,
      idleQuality,
      pools: this.#pools,
      log,
    });
    this.#memory = new ServerMemory({
      idleQuality,
      config: config.memory,
      limitBytes: contract.limitMb * 1e6,
      controlBytes: contract.division.controlBytes,
      stages: supervisor.stages,
      processes: () => this.#stats.processes(),
      ...{ events: this.#events, log, clock },
    });
    this.#monitor = new ServerMonitor({
      config: () => this.#config,
      stats: this.#stats,
      sessions: this.sessions,
      stages: supervisor.stages,
      limitBytes: () => this.contract.limitMb * 1e6,
      limits: () => ({ media: this.contract.division.mediaBytes, bake: this.contract.division.bakeBytes }),
      controlGuard: () => this.#memory.own(),
      helperFailures: () => ({ media: this.#media.stats().failures, bake: this.#bakes.failures }),
      folders: [options.cacheDir, temp],
      events: this.#events,
      log,
      clock,
    });
    this.#metrics = new ServerMetrics({
      stats: this.#stats,
      memory: this.#memory,
      monitor: this.#monitor,
      stages: supervisor.stages,
      sessions: this.sessions,
      pools: () => this.#pools.stats(),
      events: this.#events,
    });
    for (const stage of supervisor.stages) {
      stage.on('down', (reason) => log.warn({ stage: stage.index, reason }, 'stage replaced'));
      stage.on('up', () => log.debug({ stage: stage.index, pid: stage.pid }, 'stage ready'));
    }
    this.sessions.on('opened', (session) => {
      session.on('event', (name, data) => {
        const { text: _text, ...fields } = data; // no transcript in a log
        log[name === 'warning' ? 'warn' : 'debug']({ session: session.id, ...fields }, name);
      });
    });
    this.#catalogue = catalogue;
  }
  readonly #catalogue: Catalogue;

  /** The settings in force: asked for whenever one is used. */
  get #config(): Config {
    return this.#options.config.current;
  }

  /** How much memory the server uses under the settings in force, and how the limit is divided. */
  get contract(): MemoryContract {
    return this.#contract;
  }

  /** Throws `config_invalid` when the memory limit is under what the server needs. */
  static async create(options: ControlOptions): Promise<Control> {
    const { config, clock, log } = options;
    const contract = contractOf(config.current);
    log.info(contractLine(contract), 'memory contract');
    const supervisor = await Supervisor.create(config.current, contract, clock);
    // A change that leaves less memory than is needed is refused, as it is at the start.
    config.addCheck((wanted) => void contractOf(wanted, supervisor.stages.length));
    const temp = await mkdtemp(join(tmpdir(), 'dh-live-'));
    return new Control(options, contract, supervisor, temp);
  }

  /** Listens and opens the session `main`. Returns the URL. Rejects when the port is taken. */
  async start(onStopRequest: (reason: string) => void): Promise<string> {
    const { log } = this.#options;
    const config = this.#config;
    this.#onStopRequest = onStopRequest;
    this.#renders = await Renders.open({
      folder: join(dirname(this.#options.cacheDir), 'renders'),
      otherwise: join(this.#temp, 'renders'),
      config: () => this.#config.renders,
      maxUploadBytes: () => this.#config.limits.maxUploadMb * 1e6,
      runner: this.#renderRunner,
      checkAvatar: async (name) => void (await this.#catalogue.resolve(name)),
      checkVoice: (wanted) => void this.#speech.plan({ text: 'a', ...wanted }),
      log,
      now: Date.now,
      clock: this.#options.clock,
    });
    this.#app = await createApp(this.#context(this.#renders));
    await this.#app.listen({ host: config.server.host, port: config.server.port });
    this.#sockets = new AudioSockets(() => this.#config, this.sessions, this.#app.server);
    this.#memory.markBase();
    this.#supervisor.start();
    await this.sessions.create({ id: 'main' });
    this.#speech.ready().catch((error: unknown) => {
      if (this.#closing === null) log.error({ err: error }, 'voices cannot be loaded');
    });
    this.#restartStatsLine();
    this.#monitor.start();
    this.#optimizer.start(this.#monitor.resources);
    this.#unapply = applyConfig(this.#options.config, {
      log,
      events: this.#events,
      configureStages: (config) => {
        this.#contract = contractOf(config, this.#supervisor.stages.length);
        this.#supervisor.configure(config, this.#contract);
        const { limitMb, division } = this.#contract;
        this.#memory.configure(config.memory, limitMb * 1e6, division.controlBytes);
        log.info(contractLine(this.#contract), 'memory contract');
      },
      configureSessions: (config, changed) =>
        void this.sessions.configure(config, changed, (id, error) =>
          log.warn({ session: id, err: error }, 'session cannot take the new settings'),
        ),
      restartStatsLine: () => this.#restartStatsLine(),
    });
    this.#options.config.follow();
    const { address, port, family } = this.#app.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Closes everything within three seconds and logs what was still open. Twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { log, clock } = this.#options;
    const begin = clock();
    const sessions = this.sessions.list();
    const viewers = sessions.reduce((sum, { stats }) => sum + (stats?.viewers.length ?? 0), 0);
    this.#options.config.close();
    this.#unapply?.();
    this.#statsLine?.close();
    this.#optimizer.close();
    this.#sockets?.close();
    await within(SHUTDOWN_LIMIT / 3, this.sessions.close());
    const [outstanding] =
      (await within(
        SHUTDOWN_LIMIT / 2,
        Promise.all([
          this.#supervisor.close(SHUTDOWN_LIMIT / 3),
          this.#speech.close(),
          this.#pools.close(SHUTDOWN_LIMIT / 10),
          this.#renders?.close(),
          this.#uploads.close(),
          this.#media.close(),
          this.#bakes.close(),
          this.#monitor.close(),
          this.#app?.close(),
          cleanups.runAll(),
        ]),
      )) ?? [];
    this.#memory.close();
    this.#stats.close();
    await rm(this.#temp, { recursive: true, force: true });
    const left = memoryRegistry.entries().filter(({ bytes }) => bytes > 0);
    if (left.length > 0)
      log.warn({ left: left.map(({ name, owner, bytes }) => ({ name, owner, bytes })) }, 'not freed');
    log.info({ sessions: sessions.length, viewers, ...outstanding, ms: Math.round(clock() - begin) }, 'stopped');
  }

  async #bake(avatar: string, width: number, height: number): Promise<string> {
    const { log, clock } = this.#options;
    const begin = clock();
    let told = begin;
    const path = await memoryScope('prepare avatar', () =>
      this.#drawing.track(() =>
        this.#bakes.bake(avatar, { width, height }, (done, total) => {
          if (clock() - told < 1000) return;
          told = clock();
          log.info({ avatar, done, total }, 'drawing the avatar (only once)');
        }),
      ),
    );
    log.debug({ avatar, width, height, ms: Math.round(clock() - begin) }, 'avatar ready');
    return path;
  }

  #restartStatsLine(): void {
    this.#statsLine?.close();
    this.#statsLine = startStatsLine(this.#stats, this.#config.statsIntervalS, this.#options.log);
  }

  #context(renders: Renders): ServerContext {
    const { config: live, log } = this.#options;
    return {
      get config() {
        return live.current;
      },
      live,
      log,
      events: this.#events,
      sessions: this.sessions,
      renders,
      stats: this.#stats,
      memory: this.#memory,
      monitor: this.#monitor,
      optimizer: this.#optimizer.optimizer,
      metrics: this.#metrics,
      voices: () => this.#speech.voices(),
      avatars: () => this.#catalogue.list(),
      speak: (request) => {
        const plan = this.#speech.plan(request);
        return (signal) => this.#speech.speak(plan, signal);
      },
      receive: async (body) => {
        const upload = await memoryScope('receive upload', () => this.#uploads.receive(body));
        return (signal) => this.#decode(upload, signal);
      },
      requestShutdown: (reason) => setImmediate(() => this.#onStopRequest(reason)),
      shuttingDown: () => this.#closing !== null,
    };
  }

  async *#decode(
    upload: { path: string; remove(): Promise<void> },
    signal: AbortSignal,
  ): AsyncGenerator<SpeechPiece, void, undefined> {
    const { maxUploadDurationS: maxDurationS } = this.#config.limits;
    let samples = 0;
    try {
      const source = this.#media.decode(upload.path, { maxDurationS, signal });
      for await (const pcm of this.#decoding.trackEach(source, signal)) {
        samples += pcm.length;
        yield { pcm, sampleRateHz: SAMPLE_RATE, cues: null };
      }
      if (samples === 0) throw new DhError('audio_invalid', 'The file holds no sound.');
    } finally {
      await upload.remove();
    }
  }
}

/** The result of `work`, or undefined when it fails or takes longer than `limit` ms. */
async function within<T>(limit: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), limit)));
  const result = await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
  return result;
}
