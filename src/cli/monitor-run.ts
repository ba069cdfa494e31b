import { setTimeout as delay } from 'node:timers/promises';
import { DhError } from '../errors.js';
import { HttpSource } from '../monitor/http-source.js';
import { PidSource } from '../monitor/pid-source.js';
import { runMonitor } from '../monitor/run.js';

export interface MonitorFlags {
  url: string;
  token?: string;
  pid?: number;
  /** In ms. */
  interval: number;
  /** In ms. */
  for?: number;
  /** In MB. */
  max?: number;
  csv?: string;
  json?: boolean;
}

/** What the server cannot be had with from the start, or the command line is wrong. */
const EXIT_INPUT = 2;

/** Watches as the flags say and returns the exit code; what is wrong is said on standard error. */
export async function monitor(flags: MonitorFlags, env = process.env): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // A reader that goes away (`| head`) is as good as Ctrl+C.
  process.stdout.on('error', onSignal);
  try {
    const token = flags.token ?? env['DH_LIVE_SERVER_TOKEN'];
    const source = flags.pid === undefined ? new HttpSource({ url: flags.url, token }) : new PidSource(flags.pid);
    const options = {
      intervalMs: flags.interval,
      forMs: flags.for ?? null,
      maxBytes: flags.max === undefined ? null : flags.max * 1e6,
      csv: flags.csv ?? null,
      json: flags.json ?? false,
    };
    return await runMonitor(source, options, {
      out: process.stdout,
      note: (text) => void process.stderr.write(`dh-live: ${text}\n`),
      colours: !env['NO_COLOR'],
      stop: stop.signal,
      clock: () => performance.now(),
      sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
    });
  } catch (error) {
    const { code, message, hint } = DhError.from(error);
    if (code === 'internal') throw error;
    process.stderr.write(`dh-live: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
    return EXIT_INPUT;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
  }
}
