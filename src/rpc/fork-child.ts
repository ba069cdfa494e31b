import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { DhError } from '../errors.js';

/**
 * As `fork`, for a compiled file of this program.
 * @throws DhError `task_limit` when the system can start no process: too few file descriptors, processes or memory.
 */
export function forkChild(entry: string, options: ForkOptions): ChildProcess {
  const child = fork(entry, [], options);
  if (child.pid !== undefined) return child;
  // Its `error` event comes later and says no more; unheard it would end this process.
  child.on('error', () => undefined);
  throw cannotStart();
}

/** The error for a process that could not be started. */
export function cannotStart(cause?: Error): DhError {
  const reason = cause === undefined ? '' : `: ${cause.message}`;
  return new DhError('task_limit', `A process could not be started${reason}.`, {
    hint: 'Try again later. The system may be short of file descriptors (ulimit -n), processes or memory.',
    cause,
  });
}
