import { Command, Option } from 'commander';
import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import { configFields } from '../config/fields.js';
import { LiveConfig } from '../config/live-config.js';
import { AUTO_PRESET, presetNames } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { endWithParent } from '../rpc/parent.js';
import type { ChosenPreset } from '../server/server-optimizer.js';
import { checkOpenFiles } from '../server/open-files.js';
import { autoPreset } from './auto-preset.js';
import { defaultCacheDir } from './cache-dir.js';
import { serverLog } from './server-log.js';

/** Exit code after an error that nobody expected. */
const CRASHED = 70;
/** Time for stopping in order after one, in ms. */
const CRASH_TIMEOUT = 5_000;

interface Flags {
  preset?: string;
  config?: string;
  host?: string;
  port?: number;
  insecure?: boolean;
  logLevel?: Config['logLevel'];
  debugTimecode?: boolean;
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('Start the server with a session "main".')
    .addOption(new Option('--preset <name>', 'size and cost of the picture').choices([...presetNames(), AUTO_PRESET]))
    .option('--config <file>', 'JSON file with settings, see docs/configuration.md')
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--port <number>', 'HTTP port (default 8010)', Number)
    .option('--insecure', 'listen on other addresses than loopback although server.token is not set')
    .addOption(new Option('--log-level <level>', 'how much to log').choices(['error', 'warn', 'info', 'debug']))
    .option('--debug-timecode', 'draw the frame number into the picture')
    .addHelpText('after', '\nExample:\n  dh-live serve --preset low --port 9000')
    .action(async (flags: Flags) => {
      await serve(flags);
    });
}

async function serve(flags: Flags): Promise<void> {
  const env = { ...process.env };
  const chosen = (flags.preset ?? env['DH_LIVE_PRESET']) === AUTO_PRESET ? await choose(flags, env) : null;
  if (chosen) delete env['DH_LIVE_PRESET'];
  const live = new LiveConfig({
    preset: chosen?.preset ?? flags.preset,
    file: flags.config,
    env,
    flags: {
      server: { host: flags.host, port: flags.port, insecure: flags.insecure },
      logLevel: flags.logLevel,
      debugTimecode: flags.debugTimecode,
    },
  });
  // Children inherit the environment, and those that meet strangers' packets and files need no secrets.
  for (const { env: name, secret } of configFields()) if (secret) Reflect.deleteProperty(process.env, name);
  const config = live.current;
  const log = serverLog(config.logLevel);
  checkOpenFiles(log);
  // Only here: the other commands do without the server's libraries.
  const { Control } = await import('../server/control.js');
  const control = await Control.create({
    config: live,
    chosen,
    cacheDir: config.cacheDir ?? defaultCacheDir(),
    log,
    clock: () => performance.now(),
  });

  const stop = (reason: string): void => {
    log.info({ reason }, 'stopping');
    void control.close().then(() => process.exit(process.exitCode ?? 0));
  };
  // Nobody knows in which state the rest is: a service manager starts it anew, and renders go on then.
  const fail = (error: unknown): void => {
    log.fatal({ err: error }, 'unexpected error: the server stops');
    if (process.exitCode === CRASHED) return;
    process.exitCode = CRASHED;
    setTimeout(() => process.exit(CRASHED), CRASH_TIMEOUT).unref();
    stop('crash');
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  // A second Ctrl+C does not wait.
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(130);
      asked = true;
      stop(signal);
    });
  }

  // As npm start runs it: nobody else would stop it when its launcher was killed.
  if (process.send !== undefined) endWithParent(() => stop('its launcher has gone'));

  // It asks for the file to be read again, unless it comes because the terminal is gone.
  const terminal = isatty(1);
  process.on('SIGHUP', () => {
    if (terminal && !isatty(1)) stop('SIGHUP');
    else reread(live, log);
  });

  try {
    const url = await control.start(stop);
    log.info({ preset: config.preset, pid: process.pid }, `watch ${url}/  speak ${url}/studio`);
  } catch (error) {
    await control.close();
    throw explain(error, config);
  }
}

/** Reads the file again; a change or a mistake tells of itself, and only that there was neither is told here. */
function reread(live: LiveConfig, log: Logger): void {
  const change = live.refresh('signal');
  if (change === null || change.changed.length + change.needsRestart.length > 0) return;
  const { file } = live.describe();
  log.info({ file }, file === null ? 'there is no file of --config to read again' : 'settings read again: no change');
}

/** The preset that fits this machine best; the other settings are read as they will be. */
function choose(flags: Flags, env: NodeJS.ProcessEnv): Promise<ChosenPreset> {
  const { DH_LIVE_PRESET: _auto, ...rest } = env;
  const configOf = (preset: string): Config => new LiveConfig({ preset, file: flags.config, env: rest }).current;
  return autoPreset(configOf, configOf('default').cacheDir ?? defaultCacheDir());
}

function explain(error: unknown, config: Config): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const { host, port } = config.server;
  if (code === 'EADDRINUSE') {
    return new DhError('config_invalid', `Port ${port} on ${host} is in use.`, {
      hint: `Stop what uses it, or choose another: --port ${port + 1}`,
      cause: error,
    });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND') {
    return new DhError('config_invalid', `Cannot listen on ${host}:${port} (${code}).`, { cause: error });
  }
  return error;
}
