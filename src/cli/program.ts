import { Command, CommanderError } from 'commander';
import { avatarCommand } from './avatar.js';
import { monitorCommand } from './monitor.js';
import { reportCommand } from './report.js';
import { renderCommand } from './render.js';
import { renderWorkerCommand } from './render-worker.js';
import { sayCommand } from './say.js';
import { serveCommand } from './serve.js';
import { packageVersion } from '../entry.js';
import { DhError } from '../errors.js';

const program = new Command('dh-live')
  .description('A talking avatar, live over WebRTC or into a video file.')
  .version(packageVersion())
  .showHelpAfterError('(dh-live --help lists the commands)')
  .exitOverride()
  .addCommand(serveCommand())
  .addCommand(sayCommand())
  .addCommand(avatarCommand())
  .addCommand(renderCommand())
  .addCommand(renderWorkerCommand())
  .addCommand(monitorCommand())
  .addCommand(reportCommand());
for (const command of program.commands) command.exitOverride();

// Whoever reads the output may have had enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`dh-live: The output cannot be written: ${error.message}.\n`);
  process.exit(1);
});

// 0: done. 1: it failed. 2: the command line or its input is wrong.
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  // commander has said it already
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { code, message, hint, status } = DhError.from(error);
  process.stderr.write(`dh-live: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
  if (code === 'internal' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  // Of `render`, 2 says that it was done, but without some clips.
  // As of `monitor`: there is no server at the address that was given.
  if (code === 'server_unreachable' && program.args[0] === 'report') return 2;
  return status < 500 && program.args[0] !== 'render' ? 2 : 1;
}
