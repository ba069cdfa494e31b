import { Command, InvalidArgumentError } from 'commander';
import { DhError } from '../errors.js';

export function renderWorkerCommand(): Command {
  return new Command('render-worker')
    .description('Prepare clips for renders of other machines, over Redis. Ends with Ctrl+C, after the clips in work.')
    .option('--redis <url>', 'address of Redis; otherwise REDIS_URL', process.env['REDIS_URL'])
    .option('--jobs <n>', 'clips at a time; otherwise one a core', count)
    .addHelpText('after', '\nExample:\n  REDIS_URL=redis://render-host:6379 dh-live render-worker')
    .action(async ({ redis, jobs }: { redis?: string; jobs?: number }) => {
      if (!redis) {
        throw new DhError('bad_request', 'A render worker needs Redis.', {
          hint: 'Set REDIS_URL or give --redis redis://host:6379',
        });
      }
      const { runRenderWorker } = await import('./render-worker-run.js');
      await runRenderWorker(redis, jobs);
      // All is done; a connection that is just being tried again would keep the process.
      process.exit(0);
    });
}

function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 64) throw new InvalidArgumentError('A number from 1 to 64.');
  return number;
}
