import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { Catalogue } from '../avatar/catalogue.js';
import { avatarFolders } from '../config/load.js';
import type { LiveConfig } from '../config/live-config.js';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { contractLine, type MemoryContract } from '../guard/memory-contract.js';
import { cleanups } from '../guard/cleanups.js';
import { memoryRegistry } from '../guard/memory-registry.js';
import { SpeechService } from '../speech/speech-service.js';
import { WorkerPools } from '../tasks/worker-pools.js';
import type { Clock } from '../units.js';
import { applyConfig } from './apply-config.js';
import { AudioSockets } from './audio-socket.js';
import { checkExposure, isExposed } from './exposure.js';
import { Helpers } from './helpers.js';
import { logLife } from './log-life.js';
import { createApp } from './http/app.js';
import type { ServerContext } from './http/context.js';
import { rendersFolder } from './renders/render-folders.js';
import { Renders } from './renders/renders.js';
import { ChildTaskRunner } from './renders/task-runner.js';
import { ServerMetrics } from './metrics/server-metrics.js';
import { IdleQualityCap } from './idle-quality-cap.js';
import { contractOf } from './server-contract.js';
import { ServerEvents } from './server-events.js';
import { ServerLoans } from './server-loans.js';
import { ServerMemory } from './server-memory.js';
import { ServerOptimizer, type ChosenPreset } from './server-optimizer.js';
import { ServerMonitor } from './server-monitor.js';
import { ServerStats } from './server-stats.js';
import { SessionRegistry } from './session-registry.js';
import { startStatsLine } from './stats-line.js';
import { Supervisor } from './supervisor.js';
import { makeTempFolder, removeLeftFolders } from './temp-folder.js';
import { VoiceMemory } from './voice-memory.js';

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
  readonly #speech: SpeechService;
  readonly #voices: VoiceMemory;
  readonly #loans: ServerLoans;
  readonly #helpers: Helpers;
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
  #renders: Promise<Renders> | null = null;
  readonly #stopping = new AbortController();
  #app: FastifyInstance | null = null;
  #sockets: AudioSockets | null = null;
  #statsLine: { close(): void } | null = null;
  #unapply: (() => void) | null = null;
  #started = false;
  #closing: Promise<void> | null = null;
  #onStopRequest: (reason: string) => void = () => undefined;

  private constructor(options: ControlOptions, contract: MemoryContract, supervisor: Supervisor, temp: string) {
    const { clock, log } = options;
    this.#options = options;
    this.#pools = new WorkerPools({ clock });
    const config = this.#config;
    this.#supervisor = supervisor;
    this.#temp = temp;
    this.#speech = new SpeechService({
      pools: this.#pools,
      maxCharacters: () => this.#config.limits.maxTextChars,
      ...(config.voice === undefined ? {} : { warmVoices: [config.voice] }),
    });
    this.#loans = new ServerLoans({
      config: () => this.#config,
      contract,
      stages: supervisor.stages,
      sizesOn: (stage, exceptId) => this.sessions.sizesOn(stage, exceptId),
      voiceThreads: () => this.#pools.threads('voices'),
      onChange: () => this.#applyLimits(),
      onShort: () => {
        this.#helpers.endIdle();
        memoryRegistry.trim('soft');
      },
      log,
    });
    this.#voices = new VoiceMemory(this.#speech, this.#loans);
    this.#renderRunner = new ChildTaskRunner({
      concurrency: config.renders.concurrency,
      maxWaiting: () => this.#config.renders.maxWaiting,
      waitForStart: true,
      borrow: (slot, appetite, signal) => this.#loans.render(slot, appetite, signal),
    });
    const catalogue = new Catalogue(avatarFolders(config));
    this.#helpers = new Helpers({
      config: () => this.#config,
      cacheDir: options.cacheDir,
      avatarsDirs: avatarFolders(config),
      loans: this.#loans,
      pools: this.#pools,
      ...{ temp, log, clock },
    });
    this.sessions = new SessionRegistry({
      config: () => this.#config,
      supervisor,
      makeRoom: async (profile) => {
        this.#memory.admit('session', supervisor.stages);
        return await this.#optimizer.makeRoom(profile);
      },
      admit: (profile) => {
        this.#memory.admit('session', supervisor.stages);
        this.#optimizer.admit(profile);
      },
      accepts: (stage, profile) => this.#memory.accepts(stage) && this.#optimizer.fits(stage, profile),
      checkAvatar: async (name) => void (await catalogue.resolve(name)),
      checkVoice: (voice) => void this.#speech.plan({ text: 'a', voice }),
      // Nobody waits for the answer to the opening of the first session: it is opened as soon as that can be.
      draw: (avatar, { width, height }, before) =>
        this.#helpers.draw(avatar, { width, height }, { before: before ?? null, patient: !this.#started }),
    });
    this.#stats = new ServerStats({
      sessions: this.sessions,
      supervisor,
      otherPids: () => [...this.#helpers.pids(), ...this.#optimizer.pids()],
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
      loans: this.#loans,
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
      pools: this.#pools,
      config: () => this.#config.memory,
      loans: this.#loans,
      stages: supervisor.stages,
      processes: () => this.#stats.processes(),
      alive: (pid) => this.#stats.alive(pid),
      ...{ events: this.#events, log, clock },
    });
    this.#monitor = new ServerMonitor({
      config: () => this.#config,
      stats: this.#stats,
      sessions: this.sessions,
      stages: supervisor.stages,
      limitBytes: () => this.contract.limitMb * 1e6,
      lentBytes: (process) => this.#loans.lentBytes(process),
      controlGuard: () => this.#memory.own(),
      helperFailures: () => this.#helpers.failures(),
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
    logLife(log, supervisor.stages, this.sessions);
    this.#catalogue = catalogue;
  }
  readonly #catalogue: Catalogue;

  /** The settings in force: asked for whenever one is used. */
  get #config(): Config {
    return this.#options.config.current;
  }

  /** How much memory the server uses under the settings in force, and how the limit is divided. */
  get contract(): MemoryContract {
    return this.#loans.contract;
  }

  /** Throws `config_invalid` when the memory limit is under what the server needs, or when a token is missing. */
  static async create(options: ControlOptions): Promise<Control> {
    const { config, clock, log } = options;
    const exposed = await isExposed(config.current.server.host);
    checkExposure(config.current.server, exposed);
    if (exposed && config.current.server.token === undefined)
      log.warn('everybody who reaches this server may use its API');
    const contract = contractOf(config.current);
    log.info(contractLine(contract), 'memory contract');
    const portIsDefault = config.describe().source['stages.firstPort'] === 'default';
    const supervisor = await Supervisor.create(config.current, contract, clock, portIsDefault);
    const { firstPort } = config.current.stages;
    const moved = firstPort !== 0 && supervisor.media.ports[0] !== firstPort;
    log.info(supervisor.media, moved ? `media ports (UDP); ${firstPort} is in use` : 'media ports (UDP)');
    const left = await removeLeftFolders(Date.now());
    if (left > 0) log.info({ folders: left }, 'removed temporary files of servers that were killed');
    const temp = await makeTempFolder();
    const control = new Control(options, contract, supervisor, temp);
    // A change that leaves less memory than is needed is refused, as it is at the start.
    config.addCheck((wanted) => control.#loans.check(wanted));
    config.addCheck((wanted) => checkExposure(wanted.server, exposed));
    return control;
  }

  /** Listens and opens the session `main`. Returns the URL. Rejects when the port is taken. */
  async start(onStopRequest: (reason: string) => void): Promise<string> {
    const { log } = this.#options;
    const config = this.#config;
    this.#onStopRequest = onStopRequest;
    this.#renders = this.#openRenders();
    this.#renders.catch((error: unknown) => {
      if (this.#closing === null) log.error({ err: error }, 'renders cannot be opened');
    });
    this.#app = await createApp(this.#context(this.#renders));
    await this.#app.listen({ host: config.server.host, port: config.server.port });
    this.#sockets = new AudioSockets(this.#app.access, this.sessions, this.#app.server);
    this.#memory.markBase();
    this.#supervisor.start();
    await this.sessions.create({ id: 'main' });
    this.#started = true;
    this.#renderRunner.start();
    this.#voices.ready().catch((error: unknown) => {
      if (this.#closing === null) log.error({ err: error }, 'voices cannot be loaded');
    });
    this.#restartStatsLine();
    this.#monitor.start();
    this.#optimizer.start(this.#monitor.resources);
    this.#unapply = applyConfig(this.#options.config, {
      log,
      events: this.#events,
      configureStages: (config) => {
        this.#loans.configure(config);
        this.#memory.configure();
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
    this.#stopping.abort(new DhError('shutting_down', 'The server is stopping.'));
    this.#options.config.close();
    this.#unapply?.();
    this.#statsLine?.close();
    this.#optimizer.close();
    this.#loans.close();
    this.#sockets?.close();
    await within(SHUTDOWN_LIMIT / 3, this.sessions.close());
    const [outstanding] =
      (await within(
        SHUTDOWN_LIMIT / 2,
        Promise.all([
          this.#supervisor.close(SHUTDOWN_LIMIT / 3),
          this.#speech.close(),
          this.#pools.close(SHUTDOWN_LIMIT / 10),
          this.#renders?.then((renders) => renders.close()).catch(() => undefined),
          this.#helpers.close(),
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

  /** Passes on how the limit is divided now, and what of it is lent. */
  #applyLimits(): void {
    this.#supervisor.configure(this.#config, this.contract, ({ index }) => this.#loans.limitBytes(`stage-${index}`));
    this.#memory.applyLimits();
  }

  #restartStatsLine(): void {
    this.#statsLine?.close();
    this.#statsLine = startStatsLine(this.#stats, this.#config.statsIntervalS, this.#options.log);
  }

  async #openRenders(): Promise<Renders> {
    const { cacheDir, log, clock } = this.#options;
    return Renders.open({
      folder: await rendersFolder(this.#config.renders.dataDir, cacheDir),
      otherwise: join(this.#temp, 'renders'),
      config: () => this.#config.renders,
      maxUploadBytes: () => this.#config.limits.maxUploadMb * 1e6,
      runner: this.#renderRunner,
      checkAvatar: async (name) => void (await this.#catalogue.resolve(name)),
      checkVoice: (wanted) => void this.#speech.plan({ text: 'a', ...wanted }),
      log,
      now: Date.now,
      clock,
      signal: this.#stopping.signal,
    });
  }

  #context(renders: Promise<Renders>): ServerContext {
    const { config: live, log, clock } = this.#options;
    return {
      get config() {
        return live.current;
      },
      live,
      log,
      clock,
      events: this.#events,
      sessions: this.sessions,
      renders,
      stats: this.#stats,
      media: this.#supervisor.media,
      memory: this.#memory,
      monitor: this.#monitor,
      optimizer: this.#optimizer.optimizer,
      metrics: this.#metrics,
      voices: () => this.#speech.voices(),
      avatars: () => this.#catalogue.list(),
      speak: (request) => this.#voices.speak(request),
      receive: (body) => this.#helpers.receive(body),
      requestShutdown: (reason) => setImmediate(() => this.#onStopRequest(reason)),
      shuttingDown: () => this.#closing !== null,
    };
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
