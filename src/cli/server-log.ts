import { pino, type Logger } from 'pino';

/** Most of the log that waits while it cannot be written, in bytes; what comes on top is dropped. */
const MAX_WAITING_BYTES = 1_000_000;

/**
 * The server's log on stdout. When that cannot be written, as on a full disk, the server goes on, says so on stderr once,
 * and what waits is written as soon as that is possible.
 */
export function serverLog(level: string): Logger {
  const stdout = pino.destination({ fd: 1, sync: true, maxLength: MAX_WAITING_BYTES });
  // Without a listener the first failure would be an exception in whatever is logged.
  let failed = false;
  stdout.on('error', (error: Error) => {
    if (!failed) process.stderr.write(`dh-live: The log cannot be written: ${error.message}.\n`);
    failed = true;
  });
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, stdout);
}
