import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../durations.js';
import type { MonitorFlags } from './monitor-run.js';

/** Asking more often would itself be a load, in ms. */
const LEAST_INTERVAL = 100;

/** `dh-live monitor`, and all of `npm run monitor`. */
export function monitorCommand(): Command {
  return new Command('monitor')
    .description('Watch the memory of a running server.')
    .option('--url <address>', 'where the server is', 'http://127.0.0.1:8010')
    .option('--token <token>', 'its access token, when it has one (or DH_LIVE_SERVER_TOKEN)')
    .addOption(
      new Option('--pid <number>', 'watch a process and its children instead, without HTTP')
        .argParser(whole)
        .conflicts(['url', 'token']),
    )
    .addOption(new Option('--interval <time>', 'between two samples').argParser(interval).default(1000, '1s'))
    .addOption(new Option('--for <time>', 'end by itself, as in 90s, 10m, 2h').argParser(duration))
    .addOption(new Option('--max <MB>', 'end with exit code 1 when more is in use').argParser(megabytes))
    .option('--csv <file>', 'write every sample to a file, too')
    .option('--json', 'print one JSON object a line, the last one is the summary')
    .addHelpText(
      'after',
      `
On a terminal it draws a live screen, elsewhere it prints one line a sample. Ctrl+C ends it with a summary.

Exit codes: 0 done, 1 more than --max in use, 2 wrong command line or no such server, 3 the server went away.

Examples:
  dh-live monitor
  dh-live monitor --for 10m --max 1500 --csv memory.csv
  dh-live monitor --pid 4711 --json | jq .rssBytes`,
    )
    .action(async (flags: MonitorFlags) => {
      // Only here: the other commands do without it.
      const { monitor } = await import('./monitor-run.js');
      process.exitCode = await monitor(flags);
    });
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It is the number of a process.');
  return value;
}

function megabytes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It is a number of MB above 0.');
  return value;
}

function duration(text: string): number {
  const value = parseDuration(text, 's') ?? 0;
  if (value === 0) throw new InvalidArgumentError('It is a time, as in 500ms, 90s, 10m, 2h.');
  return value;
}

function interval(text: string): number {
  const value = duration(text);
  if (value < LEAST_INTERVAL) throw new InvalidArgumentError(`${LEAST_INTERVAL}ms is the least.`);
  return value;
}
