// `npm run monitor [-- flags]`: the same as `dh-live monitor`, also in a clone that was not built.
import { CommanderError } from 'commander';
import { monitorCommand } from '../src/cli/monitor.js';

try {
  await monitorCommand().exitOverride().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // commander has said it already
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
